/**
 * The memory that a model needs, computed before its weights are read: from the
 * tensors' names and shapes, which the headers of safetensors files list, and
 * from the configuration.
 */

import {
  type CheckpointNames,
  checkpointNames,
  type Framing,
  locate,
  type ModelConfig,
  type ModelSource,
  type Part,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { formatCount } from "../report/mod.ts";
import type { ModelDevice } from "./device.ts";
import { WASM_BYTES } from "./machine.ts";

/** Bytes that one copy of a model takes, part by part. */
export interface MemoryPlan {
  /** Bytes of the vision tower. */
  readonly vision: number;
  /** Bytes of the projector, which maps features to vision tokens. */
  readonly projector: number;
  /** Bytes of the decoder's layers and head. */
  readonly decoder: number;
  /**
   * Bytes of the token table, in 32-bit floats whatever the type of the
   * weights.
   */
  readonly embeddings: number;
  /** Bytes of the keys and values of the longest prompt. */
  readonly cache: number;
  /**
   * The approximate bytes of the activations that are alive at once while the
   * longest prompt runs.
   */
  readonly activations: number;
  /** The sum of all parts. */
  readonly total: number;
}

/** The parts of a model's source that a plan is made from. */
export type PlannedModel = Pick<ModelSource, "config" | "label"> & {
  /** The checkpoint's tensors, of which only names and shapes are used. */
  readonly tensors: Pick<ModelSource["tensors"], "tensors">;
};

/** How the model will be used. */
export interface MemoryPlanOptions {
  /** How the weights of linear layers are stored. */
  readonly weightType: WeightType;
  /**
   * How pictures are brought to the model's size, which bounds the number of
   * tiles.
   */
  readonly framing: Framing;
}

/** Text tokens of the longest prompt, including its answer. */
const TEXT_TOKENS = 512;

const FLOAT = 4;

/** Plans the memory of a model. */
export function planMemory(
  model: PlannedModel,
  { weightType, framing }: MemoryPlanOptions,
): MemoryPlan {
  const parts = {
    ...tensorBytes(model, weightType),
    ...promptBytes(model.config, mostTiles(framing)),
  };
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { ...parts, total };
}

/**
 * Weights that belong to no linear layer, although they have several
 * dimensions.
 */
const TABLES: readonly string[] = ["classToken", "positions", "embedding"];

/** Weights that the loader multiplies into the layer before them. */
const FOLDED: readonly string[] = ["layers.*.outScale", "layers.*.downScale"];

/** Bytes of all tensors that are uploaded when the model is loaded. */
function tensorBytes(
  { config, tensors: { tensors } }: PlannedModel,
  weightType: WeightType,
): Pick<MemoryPlan, "vision" | "projector" | "decoder" | "embeddings"> {
  const { width: D, vocabulary: V, headWidth: E } = config.decoder;
  const bytes = { vision: 0, projector: 0, decoder: 0, head: 0, embeddings: 0 };
  const names = checkpointNames(config);
  const counted = new Set<string>();
  for (const part of ["vision", "projector", "decoder", "head"] as const) {
    for (const name of tensorNames(part, config, names)) {
      const place = locate(names[part], name)
        .find(({ tensor }) => tensors.has(tensor));
      // Several of our weights may share a tensor.
      if (place === undefined || counted.has(place.tensor)) continue;
      counted.add(place.tensor);
      const { shape } = tensors.get(place.tensor)!;
      const [O, ...rest] = shape;
      const isLinear = rest.length > 0 && !TABLES.includes(name);
      bytes[name === "embedding" ? "embeddings" : part] += isLinear
        ? weightBytes(weightType, [O, sizeOf(rest)])
        : FLOAT * sizeOf(shape);
    }
  }
  // A tied head is stored a second time, as a linear layer.
  const head = bytes.head || weightBytes(weightType, [V, D]);
  const rotaryFrequencies = FLOAT * E / 2;
  return {
    vision: bytes.vision,
    projector: bytes.projector,
    decoder: bytes.decoder + head + rotaryFrequencies,
    embeddings: bytes.embeddings,
  };
}

/** The names of the tensors that a part may have, in our notation. */
function tensorNames(
  part: Part,
  { vision, decoder }: ModelConfig,
  names: CheckpointNames,
): string[] {
  const layers = part === "vision" ? vision.featureLayers : decoder.layers;
  return Object.keys(names[part].names)
    .filter((name) => !FOLDED.includes(name))
    .flatMap((name) => ["", ".weight", ".bias"].map((end) => name + end))
    .flatMap((name) =>
      name.includes("*")
        ? Array.from({ length: layers }, (_, i) => name.replace("*", `${i}`))
        : [name]
    );
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of the longest prompt: keys and values, and activations. */
function promptBytes(
  { vision, decoder, visionTokens }: ModelConfig,
  tiles: number,
): { cache: number; activations: number } {
  const S = tiles * visionTokens + TEXT_TOKENS;
  const patches = Math.floor(vision.imageSize / vision.patchSize) ** 2;
  // Activations of a layer are freed when the layer ends. D: width of the
  // hidden states, M: width of the MLP.
  const perToken = (D: number, M: number): number => FLOAT * (10 * D + 2 * M);
  return {
    cache: FLOAT * S * decoder.layers * 2 * decoder.kvHeads *
      decoder.headWidth,
    // The tower takes one tile at a time.
    activations: FLOAT * decoder.vocabulary +
      S * perToken(decoder.width, decoder.mlpWidth) +
      (1 + patches) * perToken(vision.width, vision.mlpWidth),
  };
}

function mostTiles(framing: Framing): number {
  if (framing.kind === "crop") return 1;
  const { maxTiles, thumbnail } = framing;
  return maxTiles > 1 && thumbnail ? maxTiles + 1 : maxTiles;
}

/** Formats a number of bytes, such as "1.24 GB". */
export function formatBytes(bytes: number): string {
  return `${formatCount(bytes)}B`;
}

/** The memory that is available to a model. */
export interface MemoryRoom {
  /** The device that the model would run on. */
  readonly device: ModelDevice;
  /** Bytes for one copy on that device. */
  readonly available: number;
  /** Bytes for one copy on the CPU backend. */
  readonly onCpu: number;
}

/** Formats a plan and the available memory in one line. */
export function formatPlan(
  { total, ...parts }: MemoryPlan,
  { device, available }: MemoryRoom,
): string {
  const each = Object.entries(parts).map(([name, bytes]) =>
    `${name === "cache" ? "KV cache" : name} ${formatBytes(bytes)}`
  );
  // A GPU only confirms the number of bytes that was asked for.
  return `${formatBytes(total)} (${each.join(", ")}) of ${
    device === "webgpu" ? "at least " : ""
  }${formatBytes(available)} available on ${device}`;
}

/**
 * The number of copies of a model that may run in parallel, at most one per
 * core.
 *
 * @param bytes the bytes of one copy
 * @param freeBytes the free bytes of the machine
 */
export function copiesThatFit(
  bytes: number,
  { freeBytes, cores }: { readonly freeBytes: number; readonly cores: number },
): number {
  return Math.max(0, Math.min(cores, Math.floor(freeBytes / bytes)));
}

/**
 * Refuses a model that cannot fit.
 *
 * @throws {RangeError} the model needs more memory than there is; the message
 *   names options with which it would fit, if there are any
 */
export function checkRoom(
  model: PlannedModel,
  { weightType, framing, room }: MemoryPlanOptions & {
    readonly room: MemoryRoom;
  },
): void {
  const totalOf = (weightType: WeightType): number =>
    planMemory(model, { weightType, framing }).total;
  const needed = totalOf(weightType);
  if (needed <= room.available) return;
  throw new RangeError(
    `Cannot load ${model.label} as it takes ${
      formatBytes(needed)
    } with ${weightType} weights: ${
      formatBytes(room.available)
    } are available on ${room.device}${
      room.available === WASM_BYTES ? ", all that WebAssembly can have" : ""
    }; ${advise(totalOf, room)}`,
  );
}

/** The options with which the model would fit, the smallest change first. */
function advise(
  totalOf: (weightType: WeightType) => number,
  { device, available, onCpu }: MemoryRoom,
): string {
  const fits = (room: number): WeightType | undefined =>
    WEIGHT_TYPES.find((type) => totalOf(type) <= room);
  const here = fits(available);
  if (here) return `use --weights ${here}`;
  const cpu = fits(onCpu);
  if (device === "webgpu") {
    return cpu
      ? `use --device cpu --weights ${cpu}`
      : "no --weights would make it fit";
  }
  const least = formatBytes(totalOf("int4"));
  return `use --device webgpu, where it takes ${
    formatBytes(totalOf("f16"))
  } with --weights f16 and ${least} with --weights int4`;
}
