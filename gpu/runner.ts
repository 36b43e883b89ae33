/**
 * Records runs of kernels and submits them. A read submits everything recorded
 * before it in one command encoder. Very much work is submitted in parts.
 *
 * This module is browser compatible.
 */

import { BufferPool, USAGE, writeBuffer } from "./buffers.ts";
import { type Failures, GpuError } from "./failures.ts";
import type { Grid, Kernel, KernelRun } from "./kernel.ts";
import { type KernelTime, KernelTimer } from "./kernel_timer.ts";
import { type Pipeline, type PipelineRequest, Pipelines } from "./pipelines.ts";
import { bufferOf } from "./tensors.ts";

/** One run of a kernel, ready to be encoded. */
interface Dispatch {
  readonly pipeline: Pipeline;
  /** The values of binding 0. */
  readonly sizes: readonly number[];
  /** The buffers from binding 1 on. */
  readonly buffers: readonly GPUBuffer[];
  readonly grid: Grid;
}

/** The sizes of several dispatches on the device. */
interface Uniforms {
  readonly buffer: GPUBuffer;
  /** Where the sizes of each dispatch begin, in bytes. */
  readonly offsets: readonly number[];
}

/** The value of `GPUMapMode.READ`, which some runtimes lack. */
const MAP_READ = 0x1;

/** The number of recorded dispatches that triggers a submission. */
const MAX_RECORDED = 4096;

/** The same for floating-point operations: a second of a slow GPU. */
const MAX_FLOP = 1e12;

/** Records and submits runs of kernels. */
export class Runner {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #pipelines: Pipelines;
  readonly #onSubmit: () => void;
  readonly #uniforms: BufferPool;
  readonly #staging: BufferPool;
  /** Bound in place of inputs that are `undefined`. */
  readonly #placeholder: GPUBuffer;
  #recorded: Dispatch[] = [];
  /** The floating-point operations of the recorded dispatches. */
  #flop = 0;
  /** Collects the requested pipelines while `prepare` runs its body. */
  #requests: PipelineRequest[] | null = null;
  /** Set while `profile` runs. */
  #timer: KernelTimer | null = null;

  /**
   * Starts with nothing recorded.
   *
   * @param onSubmit called when all recorded kernels are submitted
   */
  constructor(device: GPUDevice, failures: Failures, onSubmit: () => void) {
    this.#device = device;
    this.#failures = failures;
    this.#pipelines = new Pipelines(device, failures);
    this.#onSubmit = onSubmit;
    const { uniform, storage, mapRead, copyTarget } = USAGE;
    this.#uniforms = new BufferPool(device, failures, uniform | copyTarget);
    this.#staging = new BufferPool(device, failures, mapRead | copyTarget);
    this.#placeholder = device.createBuffer({ size: 256, usage: storage });
  }

  /** Records a run of a kernel. */
  run<S extends string, C extends string>(
    kernel: Kernel<S, C>,
    { inputs, outputs, sizes, constants }: KernelRun<S, C>,
  ): void {
    const grid = kernel.grid(sizes, constants);
    if (grid.includes(0)) return;
    if (this.#requests) {
      this.#requests.push([kernel as unknown as Kernel, constants]);
      return;
    }
    this.#failures.kernel = kernel.label;
    this.#recorded.push({
      pipeline: this.#pipelines.get(kernel, constants),
      sizes: kernel.sizes.map((name) => sizes[name]),
      buffers: [
        ...inputs.map((x) => x ? bufferOf(x) : this.#placeholder),
        ...outputs.map(bufferOf),
      ],
      grid,
    });
    this.#flop += kernel.flop?.(sizes, constants) ?? 0;
    if (this.#recorded.length === MAX_RECORDED || this.#flop >= MAX_FLOP) {
      this.#submit();
    }
  }

  /** Compiles the kernels that `body` would run; see `Backend.prepare`. */
  async prepare(body: () => void): Promise<void> {
    const requests: PipelineRequest[] = [];
    this.#requests = requests;
    try {
      body();
    } finally {
      this.#requests = null;
    }
    await this.#pipelines.prepare(requests);
  }

  /**
   * Submits all recorded kernels, and reads the first `bytes` bytes of a
   * buffer.
   *
   * @throws {GpuError} a kernel recorded so far has failed
   */
  async read(source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const size = Math.max(bytes, 4);
    const staging = this.#staging.acquire(size);
    this.#submit((encoder) =>
      encoder.copyBufferToBuffer(source, 0, staging, 0, size)
    );
    await this.#failures.settle(staging.mapAsync(MAP_READ));
    const values = staging.getMappedRange().slice(0, bytes);
    staging.unmap();
    this.#staging.release(staging);
    return values;
  }

  /**
   * Times the kernels that `body` records; see `GpuBackend.profile`.
   *
   * @throws {GpuError} the device has no timestamps, or as `read`
   */
  async profile(body: () => void): Promise<ReadonlyMap<string, KernelTime>> {
    if (!this.#device.features.has("timestamp-query")) {
      throw new GpuError(
        "unavailable",
        `Cannot time kernels as the device must have the feature "timestamp-query": current features are [${
          [...this.#device.features].join(", ")
        }]`,
      );
    }
    this.#submit();
    const timer = new KernelTimer(this.#device);
    try {
      this.#timer = timer;
      body();
      this.#submit();
      this.#timer = null;
      let timestamps: GPUBuffer | undefined;
      this.#submit((encoder) => timestamps = timer.resolve(encoder));
      return timer.sum(await this.read(timestamps!, timer.bytes));
    } finally {
      this.#timer = null;
      timer[Symbol.dispose]();
    }
  }

  /** Submits all recorded dispatches, and then the commands of `finish`. */
  #submit(finish: (encoder: GPUCommandEncoder) => void = () => {}): void {
    const dispatches = this.#recorded;
    this.#recorded = [];
    this.#flop = 0;
    const uniforms = this.#writeSizes(dispatches);
    this.#failures.watch(() => {
      const encoder = this.#device.createCommandEncoder();
      if (this.#timer) {
        this.#encodeTimed(encoder, dispatches, uniforms, this.#timer);
      } else this.#encode(encoder, dispatches, uniforms);
      finish(encoder);
      this.#device.queue.submit([encoder.finish()]);
    }, async (failure, message) => {
      const label = await this.#findInvalid(dispatches, uniforms);
      const what = label === null ? "kernels" : `kernel "${label}"`;
      return new GpuError(failure, `Cannot run ${what}: ${message}`, label);
    });
    this.#uniforms.release(uniforms.buffer);
    for (const pool of [this.#uniforms, this.#staging]) pool.submitted();
    this.#onSubmit();
  }

  /** Writes the sizes of all dispatches to one buffer. */
  #writeSizes(dispatches: readonly Dispatch[]): Uniforms {
    const align = this.#device.limits.minUniformBufferOffsetAlignment / 4;
    const starts: number[] = [];
    let end = 0;
    for (const { sizes } of dispatches) {
      starts.push(end);
      end += align * Math.ceil(sizes.length / align);
    }
    const values = new Uint32Array(end);
    dispatches.forEach(({ sizes }, i) => values.set(sizes, starts[i]));
    const buffer = this.#uniforms.acquire(values.byteLength, true);
    writeBuffer(this.#device, buffer, values);
    return { buffer, offsets: starts.map((start) => 4 * start) };
  }

  /** Encodes dispatches in one pass. WebGPU orders those that share buffers. */
  #encode(
    encoder: GPUCommandEncoder,
    dispatches: readonly Dispatch[],
    { buffer, offsets }: Uniforms,
    descriptor: GPUComputePassDescriptor = {},
  ): void {
    const pass = encoder.beginComputePass(descriptor);
    dispatches.forEach(({ pipeline, sizes, buffers, grid }, i) => {
      pass.setPipeline(pipeline.compiled);
      const group = pipeline.bindings.group(buffer, buffers);
      pass.setBindGroup(0, group, sizes.length ? [offsets[i]] : []);
      pass.dispatchWorkgroups(...grid);
    });
    pass.end();
  }

  /** Encodes each dispatch in a pass of its own, with timestamps. */
  #encodeTimed(
    encoder: GPUCommandEncoder,
    dispatches: readonly Dispatch[],
    { buffer, offsets }: Uniforms,
    timer: KernelTimer,
  ): void {
    for (const [i, dispatch] of dispatches.entries()) {
      const timestampWrites = timer.next(dispatch.pipeline.label);
      const uniforms = { buffer, offsets: [offsets[i]] };
      this.#encode(encoder, [dispatch], uniforms, { timestampWrites });
    }
  }

  /**
   * The kernel of the first invalid dispatch, or null. WebGPU rejects an
   * encoder as a whole, so each dispatch is encoded again alone.
   */
  async #findInvalid(
    dispatches: readonly Dispatch[],
    { buffer, offsets }: Uniforms,
  ): Promise<string | null> {
    for (const [i, dispatch] of dispatches.entries()) {
      this.#device.pushErrorScope("validation");
      const encoder = this.#device.createCommandEncoder();
      this.#encode(encoder, [dispatch], { buffer, offsets: [offsets[i]] });
      encoder.finish();
      if (await this.#device.popErrorScope()) return dispatch.pipeline.label;
    }
    return null;
  }
}
