/**
 * How checkpoints name the weights of a model. A table per part says, for each
 * of our names, where a checkpoint has that weight; `families/` holds the
 * tables, `weights.ts` reads by them.
 *
 * This module is browser compatible.
 */

/** Parts of a model. */
export type Part = "vision" | "projector" | "decoder" | "head";

/** Some rows of a tensor that holds several of our weights, one above another. */
export interface FusedRows {
  /** The tensor or module that holds them all. */
  readonly in: string;
  /** How often the weights take turns: once, or once per group of heads. */
  readonly groups: number;
  /** How many rows each weight has in a turn, in proportion to one another. */
  readonly shares: readonly number[];
  /** Which of them this one is. */
  readonly index: number;
}

/** The names of one part. */
export interface PartNames {
  /**
   * What stands before all names; several where the same part was named
   * differently by other versions of the code that wrote it.
   */
  readonly prefixes: readonly string[];
  /**
   * The checkpoint's names by ours: of tensors, or of modules whose weight and
   * bias have the same endings there as here. `*` is the number of a layer.
   */
  readonly names: Readonly<Record<string, string | FusedRows>>;
}

/** The names of a whole checkpoint. */
export type CheckpointNames =
  & Readonly<Record<Part, PartNames>>
  & {
    /** Tensors that some checkpoints hold and no forward pass needs. */
    readonly ignored: readonly RegExp[];
  };

/** The names of weights that one tensor holds, as rows of a table of names. */
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
  /** Which of its rows; null for all. */
  readonly rows: FusedRows | null;
}

/**
 * Where a weight may be: one place for every prefix, the most usual first.
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

/** The rows that a weight has in a tensor of `count` rows; see `FusedRows`. */
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
