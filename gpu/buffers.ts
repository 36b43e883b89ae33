/**
 * GPU memory: a pool of buffers, uploads, and the amount that is free.
 *
 * Kernels are recorded first and submitted later, but the host writes at once.
 * A buffer may be released while a recorded kernel has yet to read it. The pool
 * may then give it to another kernel, which runs later, but not to the host.
 *
 * This module is browser compatible.
 */

import { type Failures, GpuError } from "./failures.ts";

/** The values of `GPUBufferUsage`, which is missing in some runtimes. */
export const USAGE = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

/** Submissions after which an unused buffer is destroyed. */
const KEPT_FOR = 64;

/** The idle buffers of one size. */
interface FreeList {
  /** Ready for all uses; the buffer that was released last is at the end. */
  ready: { readonly buffer: GPUBuffer; readonly since: number }[];
  /** Ready for kernels only: recorded kernels still read or write them. */
  recorded: GPUBuffer[];
}

/** The size of the largest buffer that a kernel may bind, in bytes. */
export function largestBinding({ limits }: GPUDevice): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/**
 * A pool of buffers of one usage. It reuses them, because making a buffer takes
 * far longer than a small kernel.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #usage: number;
  /** By size. */
  readonly #idle = new Map<number, FreeList>();
  #submissions = 0;
  #size = 0;
  #used = 0;

  constructor(device: GPUDevice, failures: Failures, usage: number) {
    this.#device = device;
    this.#failures = failures;
    this.#usage = usage;
  }

  /** Bytes of all buffers. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the buffers in use. */
  get used(): number {
    return this.#used;
  }

  /**
   * A buffer of at least `bytes` bytes. It holds values of earlier uses.
   *
   * @param forHost whether the host writes to it, rather than a kernel
   * @throws {GpuError} the GPU has no buffers of this size
   */
  acquire(bytes: number, forHost = false): GPUBuffer {
    const size = this.#sizeClass(bytes);
    const buffer = this.#acquireIdle(size, forHost) ?? this.#make(size);
    this.#used += buffer.size;
    return buffer;
  }

  /**
   * The smallest idle buffer that is large enough. A kernel may get one of up
   * to twice the size: each schedule makes tensors of other sizes, and idle
   * buffers would accumulate. The host gets exactly its size, because it writes
   * weights, which stay.
   */
  #acquireIdle(size: number, forHost: boolean): GPUBuffer | undefined {
    let best: FreeList | undefined;
    let bestSize = forHost ? size + 1 : 2 * size;
    for (const [idleSize, list] of this.#idle) {
      const count = list.ready.length + (forHost ? 0 : list.recorded.length);
      if (count > 0 && idleSize >= size && idleSize < bestSize) {
        [best, bestSize] = [list, idleSize];
      }
    }
    return (forHost ? undefined : best?.recorded.pop()) ??
      best?.ready.pop()?.buffer;
  }

  /** Takes a buffer back. */
  release(buffer: GPUBuffer): void {
    const { size } = buffer;
    let list = this.#idle.get(size);
    if (!list) this.#idle.set(size, list = { ready: [], recorded: [] });
    list.recorded.push(buffer);
    this.#used -= size;
  }

  /** To be called when all recorded kernels are submitted. */
  submitted(): void {
    const now = ++this.#submissions;
    for (const list of this.#idle.values()) {
      for (const buffer of list.recorded) {
        list.ready.push({ buffer, since: now });
      }
      list.recorded = [];
      while (list.ready.length && now - list.ready[0].since > KEPT_FOR) {
        const { buffer } = list.ready.shift()!;
        this.#size -= buffer.size;
        buffer.destroy();
      }
    }
  }

  /**
   * Rounds up to a multiple of 256 bytes or of an eighth of a power of two, but
   * not above the limit of a binding. So many shapes share few sizes, and little
   * memory is wasted.
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
    const others = this.#size;
    this.#size += size;
    const { kernel } = this.#failures;
    return this.#failures.watch(
      () => this.#device.createBuffer({ label: `${size} bytes`, size, usage }),
      (failure, message) =>
        new GpuError(
          failure,
          `Cannot allocate ${size} bytes of GPU memory in addition to ${others}: ${message}`,
          kernel,
        ),
    );
  }
}

/** Copies host values to a buffer, starting at byte `offset`. */
export function writeBuffer(
  device: GPUDevice,
  buffer: GPUBuffer,
  values: Float32Array | Int32Array | Uint32Array,
  offset: number = 0,
): void {
  // Deno 2.9 panics on an empty write.
  if (values.length) {
    device.queue.writeBuffer(buffer, offset, values as BufferSource);
  }
}

/** Uploaded bytes after which the uploader submits. */
const MAX_PENDING = 2 ** 26;

/**
 * Uploads host values. WebGPU keeps a copy of them until the next submission,
 * so the uploader submits from time to time. Otherwise loading a model would
 * take twice its size.
 */
export class Uploader {
  readonly #device: GPUDevice;
  #pending = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Copies host values to a buffer, starting at byte `offset`. */
  write(
    buffer: GPUBuffer,
    values: Float32Array | Int32Array | Uint32Array,
    offset: number,
  ): void {
    writeBuffer(this.#device, buffer, values, offset);
    this.#pending += values.byteLength;
    if (this.#pending < MAX_PENDING) return;
    this.#device.queue.submit([]);
    this.#pending = 0;
  }
}

/** Bytes that `availableMemory` allocates at once. */
const CHUNK = 2 ** 30;

/**
 * The amount of free GPU memory, up to `bytes`. WebGPU does not report it, so
 * this allocates memory and frees it again. Call it before the upload of a
 * large model, which takes minutes.
 *
 * @param bytes how much is wanted
 * @returns how much of it is free, counted in chunks of up to 1 GiB
 */
export async function availableMemory(
  device: GPUDevice,
  bytes: number,
): Promise<number> {
  const buffers: GPUBuffer[] = [];
  const most = Math.min(CHUNK, device.limits.maxBufferSize);
  let available = 0;
  try {
    while (available < bytes) {
      const size = 4 * Math.ceil(Math.min(most, bytes - available) / 4);
      device.pushErrorScope("out-of-memory");
      buffers.push(device.createBuffer({ size, usage: USAGE.storage }));
      if (await device.popErrorScope()) break;
      available += size;
    }
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
  return available;
}
