/** The work of the kernels of all libraries, and its inputs. */

import process from "node:process";
import type { WeightType } from "../../../core/checkpoints/quantize.ts";
import { createRandom } from "../../../core/random.ts";

/** x [M, I] · weightᵀ, weight [O, I]. */
export interface LinearWork {
  readonly operation: "linear";
  readonly M: number;
  readonly I: number;
  readonly O: number;
  readonly weightType: WeightType;
}

/** Attention of S tokens to S tokens without a mask, H heads of width E. */
export interface AttentionWork {
  readonly operation: "attention";
  readonly S: number;
  readonly H: number;
  readonly E: number;
}

/** A kernel and its sizes. */
export type Work = LinearWork | AttentionWork;

/** Its row in the table: "linear 145x128x384 f16" (M, I, O). */
export function nameOf(work: Work): string {
  return work.operation === "linear"
    ? `linear ${work.M}x${work.I}x${work.O}${
      work.weightType === "f32" ? "" : ` ${work.weightType}`
    }`
    : `attention S ${work.S} H ${work.H} E ${work.E}`;
}

/** Floating-point operations: two for each product that is added. */
export function flopOf(work: Work): number {
  return work.operation === "linear"
    ? 2 * work.M * work.I * work.O
    : 4 * work.H * work.S ** 2 * work.E;
}

/** Seeded normal numbers. */
export function numbers(length: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** x and weight of `linear`. */
export function linearInputs(
  { M, I, O }: LinearWork,
): { x: Float32Array; weight: Float32Array } {
  const scale = 1 / Math.sqrt(I);
  return {
    x: numbers(M * I, 1),
    weight: numbers(O * I, 2).map((value) => scale * value),
  };
}

/** q, k and v of attention, each [S, H·E]. */
export function attentionInputs(
  { S, H, E }: AttentionWork,
): { q: Float32Array; k: Float32Array; v: Float32Array } {
  const size = S * H * E;
  return { q: numbers(size, 3), k: numbers(size, 4), v: numbers(size, 5) };
}

/** A kernel with its inputs in place. */
export interface Prepared {
  /** Runs it so many times; waits for the last result where it must. */
  run(times: number): void | Promise<void>;
  /** The result, [M, O] or [S, H·E]. */
  result(): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** Frees its memory. */
  free(): void | Promise<void>;
}

/** A library that can do the work. */
export interface Contestant {
  readonly name: string;
  prepare(work: Work): Prepared | Promise<Prepared>;
}

/**
 * Seconds of a number of runs: wall time and processor time. On an idle machine
 * both are equal for one thread; on a shared one processor time excludes the load
 * of others.
 */
export async function measureRun(
  prepared: Pick<Prepared, "run">,
  times: number,
): Promise<{ wall: number; processor: number }> {
  const start = performance.now();
  const before = process.cpuUsage();
  await prepared.run(times);
  const { user, system } = process.cpuUsage(before);
  const wall = (performance.now() - start) / 1e3;
  return { wall, processor: (user + system) / 1e6 };
}
