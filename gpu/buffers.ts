/**
 * A pool of GPU buffers. Making a buffer costs far more than a small kernel, so
 * what is given back is kept by size and used again.
 *
 * Kernels are recorded first and submitted later; the host writes at once. A
 * buffer that a recorded kernel has yet to read may be given to another recorded
 * kernel, which runs after it, but not to the host.
 *
 * This module is browser compatible.
 */

import { GpuError } from "./device.ts";
import type { Failures } from "./failures.ts";

/** Spec-fixed values of `GPUBufferUsage`, which not all runtimes have. */
export const USAGE = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

/** Submissions after which a buffer that nobody took is destroyed. */
const KEPT_FOR = 64;

/** Buffers of one size that wait to be used. */
interface Shelf {
  /** For everyone; the one given back last is at the end. */
  ready: { readonly buffer: GPUBuffer; readonly since: number }[];
  /** Not for the host: recorded kernels that are not submitted use them. */
  recorded: GPUBuffer[];
}

/** Bytes of the largest buffer that a kernel may bind. */
export function largestBinding({ limits }: GPUDevice): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** Buffers of one usage. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #usage: number;
  readonly #shelves = new Map<number, Shelf>();
  #submissions = 0;
  #size = 0;
  #used = 0;

  /** Starts without buffers. */
  constructor(device: GPUDevice, failures: Failures, usage: number) {
    this.#device = device;
    this.#failures = failures;
    this.#usage = usage;
  }

  /** Bytes of all its buffers. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the buffers that are in use. */
  get used(): number {
    return this.#used;
  }

  /**
   * A buffer of at least `bytes` bytes with values left over from earlier uses.
   *
   * @param forHost whether the host will write to it, rather than a kernel
   * @throws {GpuError} no buffer of this GPU is so large
   */
  take(bytes: number, forHost = false): GPUBuffer {
    const size = this.#sizeClass(bytes);
    const buffer = this.#takeIdle(size, forHost) ?? this.#make(size);
    this.#used += buffer.size;
    return buffer;
  }

  /**
   * The least idle buffer of at least a size. For kernels it is below twice
   * that: schedules make tensors of ever other sizes, and idle buffers would pile
   * up. What the host writes may stay forever, as weights do: it gets its size.
   */
  #takeIdle(size: number, forHost: boolean): GPUBuffer | undefined {
    let best: Shelf | undefined;
    let bestSize = forHost ? size + 1 : 2 * size;
    for (const [shelfSize, shelf] of this.#shelves) {
      const idle = shelf.ready.length + (forHost ? 0 : shelf.recorded.length);
      if (idle > 0 && shelfSize >= size && shelfSize < bestSize) {
        [best, bestSize] = [shelf, shelfSize];
      }
    }
    return (forHost ? undefined : best?.recorded.pop()) ??
      best?.ready.pop()?.buffer;
  }

  /** Gives a buffer back. */
  give(buffer: GPUBuffer): void {
    const { size } = buffer;
    let shelf = this.#shelves.get(size);
    if (!shelf) this.#shelves.set(size, shelf = { ready: [], recorded: [] });
    shelf.recorded.push(buffer);
    this.#used -= size;
  }

  /** All kernels that were recorded are submitted. */
  submitted(): void {
    const now = ++this.#submissions;
    for (const shelf of this.#shelves.values()) {
      for (const buffer of shelf.recorded) {
        shelf.ready.push({ buffer, since: now });
      }
      shelf.recorded = [];
      while (shelf.ready.length && now - shelf.ready[0].since > KEPT_FOR) {
        const { buffer } = shelf.ready.shift()!;
        this.#size -= buffer.size;
        buffer.destroy();
      }
    }
  }

  /**
   * Bytes rounded up to 256 or to an eighth of a power of two, so that few sizes
   * serve all shapes and little is wasted; but never more than one binding.
   */
  #sizeClass(bytes: number): number {
    const limit = largestBinding(this.#device);
    if (bytes > limit) {
      throw new GpuError(
        "out-of-memory",
        `Cannot hold a tensor as it must take at most ${limit} bytes on this GPU: current value is ${bytes}`,
        this.#failures.kernel,
      );
    }
    const step = Math.max(256, 2 ** Math.floor(Math.log2(bytes) - 3));
    return Math.min(step * Math.ceil(Math.max(bytes, 1) / step), limit);
  }

  #make(size: number): GPUBuffer {
    const usage = this.#usage;
    this.#size += size;
    const { kernel } = this.#failures;
    return this.#failures.watch(
      () => this.#device.createBuffer({ label: `${size} bytes`, size, usage }),
      (failure, message) =>
        new GpuError(
          failure,
          `Cannot take ${size} bytes of GPU memory beside ${
            this.#size - size
          }: ${message}`,
          kernel,
        ),
    );
  }
}

/** Copies host values to a buffer, from byte `offset` of it on. */
export function writeBuffer(
  device: GPUDevice,
  buffer: GPUBuffer,
  values: Float32Array | Int32Array | Uint32Array,
  offset: number = 0,
): void {
  // Deno 2.9 panics when there is nothing to write.
  if (values.length) {
    device.queue.writeBuffer(buffer, offset, values as BufferSource);
  }
}

/** Bytes that may wait to be sent to the device. */
const MOST_WAITING = 2 ** 26;

/**
 * Writes what the host uploads. WebGPU keeps a copy of it until the next
 * submission: a model would take twice its size while it is loaded.
 */
export class Uploader {
  readonly #device: GPUDevice;
  #waiting = 0;

  /** Starts with nothing written. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Copies host values to a buffer, from byte `offset` of it on. */
  write(
    buffer: GPUBuffer,
    values: Float32Array | Int32Array | Uint32Array,
    offset: number,
  ): void {
    writeBuffer(this.#device, buffer, values, offset);
    this.#waiting += values.byteLength;
    if (this.#waiting < MOST_WAITING) return;
    this.#device.queue.submit([]);
    this.#waiting = 0;
  }
}
