/**
 * How checkpoints name the weights of a model. A table per part maps our names
 * to places in a checkpoint. `families/` holds the tables; `weights.ts` uses
 * them.
 *
 * This module is browser compatible.
 */

/** Parts of a model. */
export type Part = "vision" | "projector" | "decoder" | "head";

/** Rows of one weight in a tensor that stacks several of our weights. */
export interface FusedRows {
  /** The tensor or module that holds all of them. */
  readonly in: string;
  /** How often the weights alternate: once, or once per group of heads. */
  readonly groups: number;
  /** The ratio of rows of the weights in each turn. */
  readonly shares: readonly number[];
  /** Index of this weight among them. */
  readonly index: number;
}

/** The names of one part. */
export interface PartNames {
  /**
   * Prefix of all names. There are several if versions of the code that wrote
   * checkpoints named this part differently.
   */
  readonly prefixes: readonly string[];
  /**
   * Maps our names to the checkpoint's: names of tensors, or of modules whose
   * weight and bias have the same endings. `*` is the number of a layer.
   */
  readonly names: Readonly<Record<string, string | FusedRows>>;
}

/** The names of a whole checkpoint. */
export type CheckpointNames =
  & Readonly<Record<Part, PartNames>>
  & {
    /** Tensors that some checkpoints hold but that no forward pass needs. */
    readonly ignored: readonly RegExp[];
  };

/** Table entries for weights that are stacked in one tensor. */
export function fused<Name extends string>(
  tensor: string,
  names: readonly Name[],
  { groups = 1, shares = names.map(() => 1) }: {
    readonly groups?: number;
    readonly shares?: readonly number[];
  } = {},
): Record<Name, FusedRows> {
  const rows = names.map((name, index) =>
    [name, { in: tensor, groups, shares, index }] as const
  );
  return Object.fromEntries(rows) as Record<Name, FusedRows>;
}

/** A weight in a checkpoint. */
export interface WeightPlace {
  /** The tensor's name. */
  readonly tensor: string;
  /** The weight's rows in it; null for all rows. */
  readonly rows: FusedRows | null;
}

/**
 * The places where a weight may be: one per prefix, the most common first.
 *
 * @param name our name, such as "layers.3.query.bias"
 */
export function locate(
  { prefixes, names }: PartNames,
  name: string,
): WeightPlace[] {
  const layer = /^layers\.(\d+)/.exec(name)?.[1] ?? "";
  const pattern = name.replace(/^layers\.\d+/, "layers.*");
  const ending = Object.hasOwn(names, pattern)
    ? ""
    : /\.(weight|bias)$/.exec(name)![0];
  const found = names[pattern.slice(0, pattern.length - ending.length)];
  const rows = typeof found === "string" ? null : found;
  const base = typeof found === "string" ? found : found.in;
  const tensor = base.replace("*", layer) + ending;
  return prefixes.map((prefix) => ({ tensor: prefix + tensor, rows }));
}

/** The rows of a weight in a tensor of `count` rows; see `FusedRows`. */
export function* rowSpans(
  { groups, shares, index }: FusedRows,
  count: number,
): Generator<{ readonly start: number; readonly length: number }> {
  const turn = count / groups;
  const unit = turn / shares.reduce((sum, share) => sum + share, 0);
  const before = shares.slice(0, index).reduce((sum, share) => sum + share, 0);
  for (let group = 0; group < groups; group++) {
    yield {
      start: group * turn + before * unit,
      length: shares[index] * unit,
    };
  }
}
