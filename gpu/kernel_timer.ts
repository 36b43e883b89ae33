/**
 * GPU time by kernel, from timestamps. WebGPU takes them at the ends of passes,
 * so that what is timed must be encoded one dispatch per pass.
 *
 * This module is browser compatible.
 */

import { USAGE } from "./buffers.ts";

/** What the runs of one kernel took. */
export interface KernelTime {
  /** How often it ran. */
  readonly runs: number;
  /** Time on the GPU of all its runs. */
  readonly milliseconds: number;
}

/** Timestamps that a query set may hold, as WebGPU limits it. */
const MAX_QUERIES = 4096;

const BYTES_PER_QUERY = 8;

/** Times dispatches, each of them the only one of its pass. */
export class KernelTimer implements Disposable {
  readonly #device: GPUDevice;
  /** Of the dispatches, in order; each has two timestamps. */
  readonly #labels: string[] = [];
  readonly #sets: GPUQuerySet[] = [];
  #results: GPUBuffer | null = null;

  /** Starts with nothing timed. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** What the pass of the next dispatch, of a kernel of this label, must write. */
  next(label: string): GPUComputePassTimestampWrites {
    const query = 2 * this.#labels.length % MAX_QUERIES;
    if (query === 0) {
      const count = MAX_QUERIES;
      this.#sets.push(
        this.#device.createQuerySet({ type: "timestamp", count }),
      );
    }
    this.#labels.push(label);
    return {
      querySet: this.#sets.at(-1)!,
      beginningOfPassWriteIndex: query,
      endOfPassWriteIndex: query + 1,
    };
  }

  /** Bytes of all timestamps. */
  get bytes(): number {
    return 2 * BYTES_PER_QUERY * this.#labels.length;
  }

  /** Encodes that all timestamps are put into a buffer. */
  resolve(encoder: GPUCommandEncoder): GPUBuffer {
    const { queryResolve, copySource } = USAGE;
    const size = MAX_QUERIES * BYTES_PER_QUERY;
    this.#results = this.#device.createBuffer({
      label: "timestamps",
      size: Math.max(size, size * this.#sets.length),
      usage: queryResolve | copySource,
    });
    for (const [i, set] of this.#sets.entries()) {
      // Runtimes may wait forever for a timestamp that is never taken.
      const count = Math.min(
        MAX_QUERIES,
        2 * this.#labels.length - i * MAX_QUERIES,
      );
      encoder.resolveQuerySet(set, 0, count, this.#results, i * size);
    }
    return this.#results;
  }

  /** Time by label, in the order in which kernels first ran. */
  sum(timestamps: ArrayBuffer): ReadonlyMap<string, KernelTime> {
    const nanoseconds = new BigUint64Array(timestamps);
    const times = new Map<string, KernelTime>();
    for (const [i, label] of this.#labels.entries()) {
      const { runs, milliseconds } = times.get(label) ??
        { runs: 0, milliseconds: 0 };
      // A GPU may restart its clock at any time, WebGPU says.
      const took = Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]);
      times.set(label, {
        runs: runs + 1,
        milliseconds: milliseconds + Math.max(0, took) / 1e6,
      });
    }
    return times;
  }

  /** Destroys what it made. */
  [Symbol.dispose](): void {
    for (const set of this.#sets) set.destroy();
    this.#results?.destroy();
  }
}
