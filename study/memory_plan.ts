/**
 * What memory a model will take, told before its weights are read, and whether
 * there is so much. A pure calculation from the model's configuration.
 *
 * D, M: widths of hidden states and MLP. L: layers. V: vocabulary. S: tokens of
 * the longest prompt.
 */

import {
  type Framing,
  type ModelConfig,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { formatCount } from "../report/mod.ts";
import type { ModelDevice } from "./device.ts";
import { WASM_BYTES } from "./machine.ts";

/** Bytes that one copy of a model takes, part by part. */
export interface MemoryPlan {
  /** The vision tower. */
  readonly vision: number;
  /** Features → vision tokens. */
  readonly projector: number;
  /** The decoder's layers and head. */
  readonly decoder: number;
  /** The table of tokens, 32-bit floats whatever the type of the weights. */
  readonly embeddings: number;
  /** Keys and values of the longest prompt. */
  readonly cache: number;
  /** What is alive at once while that prompt runs, roughly. */
  readonly activations: number;
  /** All of it. */
  readonly total: number;
}

/** What a plan is made for. */
export interface MemoryPlanOptions {
  /** How the weights of linear layers are stored. */
  readonly weightType: WeightType;
  /** How pictures come to the model's size: how many tiles there may be. */
  readonly framing: Framing;
}

/** Words and answer of the prompt that is planned for. */
const TEXT_TOKENS = 512;

const FLOAT = 4;

/** Plans the memory of a model. */
export function planMemory(
  config: ModelConfig,
  { weightType, framing }: MemoryPlanOptions,
): MemoryPlan {
  const { width: D, vocabulary: V } = config.decoder;
  const linear = (O: number, I: number, bias = false): number =>
    weightBytes(weightType, [O, I]) + (bias ? FLOAT * O : 0);
  const parts = {
    vision: visionBytes(config, linear),
    projector: projectorBytes(config, linear),
    decoder: decoderBytes(config, linear),
    embeddings: FLOAT * V * D,
    ...promptBytes(config, mostTiles(framing)),
  };
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { ...parts, total };
}

/** Bytes of a linear layer. */
type LinearBytes = (O: number, I: number, bias?: boolean) => number;

function visionBytes(
  { vision }: ModelConfig,
  linear: LinearBytes,
): number {
  const { width: D, mlpWidth: M, patchSize: P, qkvBias } = vision;
  const intern = vision.type === "intern";
  const patches = Math.floor(vision.imageSize / P) ** 2;
  const norm = FLOAT * D * (vision.norm === "layer" ? 2 : 1);
  const layer = 3 * linear(D, D, qkvBias) + linear(D, D, true) +
    linear(M, D, true) + linear(D, M, true) + 2 * norm +
    (vision.qkNormEpsilon === null ? 0 : 2 * FLOAT * D);
  return linear(D, 3 * P * P, intern) + FLOAT * D * (1 + 1 + patches) +
    (intern ? 0 : norm) + vision.featureLayers * layer;
}

function projectorBytes(
  { vision, projector, decoder: { width: D } }: ModelConfig,
  linear: LinearBytes,
): number {
  const C = projector.merge ** 2 * vision.width;
  return linear(D, C, true) + linear(D, D, true) +
    (projector.norm ? 2 * FLOAT * C : 0);
}

function decoderBytes(
  { decoder }: ModelConfig,
  linear: LinearBytes,
): number {
  const { width: D, mlpWidth: M, headWidth: E, qkvBias, outBias } = decoder;
  const Q = decoder.heads * E;
  const K = decoder.kvHeads * E;
  const layer = linear(Q, D, qkvBias) + 2 * linear(K, D, qkvBias) +
    linear(D, Q, outBias) + 2 * linear(M, D) + linear(D, M) + 2 * FLOAT * D;
  return decoder.layers * layer + linear(decoder.vocabulary, D) + FLOAT * D +
    FLOAT * E / 2;
}

/** Keys and values, and what layers compute, of the longest prompt. */
function promptBytes(
  { vision, decoder, visionTokens }: ModelConfig,
  tiles: number,
): { cache: number; activations: number } {
  const S = tiles * visionTokens + TEXT_TOKENS;
  const patches = Math.floor(vision.imageSize / vision.patchSize) ** 2;
  // All that a layer makes lives until the layer ends.
  const perToken = (D: number, M: number): number => FLOAT * (10 * D + 2 * M);
  return {
    cache: FLOAT * S * decoder.layers * 2 * decoder.kvHeads *
      decoder.headWidth,
    // Tiles go through the tower one after the other.
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

/** A number of bytes, such as "1.24 GB". */
export function formatBytes(bytes: number): string {
  return `${formatCount(bytes)}B`;
}

/** The memory that a model may have. */
export interface MemoryRoom {
  /** Where it would run. */
  readonly device: ModelDevice;
  /** Bytes for one copy there. */
  readonly available: number;
  /** Bytes that one copy could have on the CPU backend. */
  readonly onCpu: number;
}

/** A plan in one line, beside what there is. */
export function formatPlan(
  { total, ...parts }: MemoryPlan,
  { device, available }: MemoryRoom,
): string {
  const each = Object.entries(parts).map(([name, bytes]) =>
    `${name === "cache" ? "KV cache" : name} ${formatBytes(bytes)}`
  );
  // A GPU tells no more than that there is what was asked for.
  return `${formatBytes(total)} (${each.join(", ")}) of ${
    device === "webgpu" ? "at least " : ""
  }${formatBytes(available)} available on ${device}`;
}

/**
 * How many copies of a model may run side by side, one per core at most.
 *
 * @param bytes of one copy
 * @param freeBytes of the machine
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
 * @param label what to call it
 * @throws {RangeError} it takes more than there is; the message names the options
 *   with which it would fit, if there are any
 */
export function checkRoom(
  label: string,
  config: ModelConfig,
  { weightType, framing, room }: MemoryPlanOptions & {
    readonly room: MemoryRoom;
  },
): void {
  const totalOf = (weightType: WeightType): number =>
    planMemory(config, { weightType, framing }).total;
  const needed = totalOf(weightType);
  if (needed <= room.available) return;
  throw new RangeError(
    `Cannot load ${label} as it takes ${
      formatBytes(needed)
    } with ${weightType} weights: ${
      formatBytes(room.available)
    } are available on ${room.device}${
      room.available === WASM_BYTES ? ", all that WebAssembly can have" : ""
    }; ${advise(totalOf, room)}`,
  );
}

/** The options that would do, those that change least first. */
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
