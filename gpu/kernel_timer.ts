/**
 * Measures the GPU time of kernels with timestamps. WebGPU takes timestamps at
 * the ends of passes, so a timed dispatch needs a pass of its own.
 *
 * This module is browser compatible.
 */

import { USAGE } from "./buffers.ts";

/** The GPU time of one kernel. */
export interface KernelTime {
  /** The number of its runs. */
  readonly runs: number;
  /** The time of all runs together. */
  readonly milliseconds: number;
}

/** WebGPU's limit of timestamps in a query set. */
const MAX_QUERIES = 4096;

const BYTES_PER_QUERY = 8;

/** Times dispatches that have a pass each. */
export class KernelTimer implements Disposable {
  readonly #device: GPUDevice;
  /** One label per dispatch, in order. Each dispatch has two timestamps. */
  readonly #labels: string[] = [];
  readonly #sets: GPUQuerySet[] = [];
  #results: GPUBuffer | null = null;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Adds a dispatch of a kernel, and returns the timestamps of its pass. */
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

  /** Encodes a copy of all timestamps to a buffer. */
  resolve(encoder: GPUCommandEncoder): GPUBuffer {
    const { queryResolve, copySource } = USAGE;
    const size = MAX_QUERIES * BYTES_PER_QUERY;
    this.#results = this.#device.createBuffer({
      label: "timestamps",
      size: Math.max(size, size * this.#sets.length),
      usage: queryResolve | copySource,
    });
    for (const [i, set] of this.#sets.entries()) {
      // A runtime may wait forever for a timestamp that no pass writes.
      const count = Math.min(
        MAX_QUERIES,
        2 * this.#labels.length - i * MAX_QUERIES,
      );
      encoder.resolveQuerySet(set, 0, count, this.#results, i * size);
    }
    return this.#results;
  }

  /** Times by label, in the order in which the kernels first ran. */
  sum(timestamps: ArrayBuffer): ReadonlyMap<string, KernelTime> {
    const nanoseconds = new BigUint64Array(timestamps);
    const times = new Map<string, KernelTime>();
    for (const [i, label] of this.#labels.entries()) {
      const { runs, milliseconds } = times.get(label) ??
        { runs: 0, milliseconds: 0 };
      // The standard allows a GPU to restart its clock at any time.
      const duration = Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]);
      times.set(label, {
        runs: runs + 1,
        milliseconds: milliseconds + Math.max(0, duration) / 1e6,
      });
    }
    return times;
  }

  /** Destroys the query sets and the buffer. */
  [Symbol.dispose](): void {
    for (const set of this.#sets) set.destroy();
    this.#results?.destroy();
  }
}
