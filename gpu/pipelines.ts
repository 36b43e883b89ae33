/**
 * Compiled kernels, and the bind groups of their buffers. A kernel is compiled
 * once for each set of its constants.
 *
 * This module is browser compatible.
 */

import { type Failures, GpuError } from "./failures.ts";
import type { Kernel } from "./kernel.ts";

/** A compiled kernel. */
export interface Pipeline {
  /** The label of the kernel. */
  readonly label: string;
  /** Its bind groups. */
  readonly bindings: Bindings;
  /** Its code. */
  readonly compiled: GPUComputePipeline;
}

/** A kernel and the constants to compile it with. */
export type PipelineRequest = readonly [
  kernel: Kernel,
  constants: Readonly<Record<string, number>>,
];

/** The WGSL module of a kernel, and its pipelines. */
interface Program {
  readonly label: string;
  readonly module: GPUShaderModule;
  readonly bindings: Bindings;
  /** By constants. */
  readonly pipelines: Map<string, Pipeline>;
}

/** The pipelines of a device. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #programs = new Map<Kernel, Program>();

  constructor(device: GPUDevice, failures: Failures) {
    this.#device = device;
    this.#failures = failures;
  }

  /**
   * Compiles pipelines concurrently. Browsers do so in parallel, Deno 2.9 does
   * not. If one fails, `get` compiles it again and explains the failure.
   */
  async prepare(requests: readonly PipelineRequest[]): Promise<void> {
    const requested = new Map<Program, Set<string>>();
    const compiling: Promise<void>[] = [];
    for (const [kernel, constants] of requests) {
      const program = this.#programOf(kernel);
      const key = JSON.stringify(constants);
      const keys = requested.get(program) ?? new Set(program.pipelines.keys());
      requested.set(program, keys);
      if (keys.has(key)) continue;
      keys.add(key);
      const { label, bindings } = program;
      const descriptor = this.#descriptor(program, constants);
      const compiled = this.#device.createComputePipelineAsync(descriptor);
      compiling.push(compiled.then(
        (compiled) => {
          program.pipelines.set(key, { label, bindings, compiled });
        },
        () => {},
      ));
    }
    await Promise.all(compiling);
  }

  /** The pipeline of a kernel with its constants. */
  get<S extends string, C extends string>(
    kernel: Kernel<S, C>,
    constants: Readonly<Record<C, number>>,
  ): Pipeline {
    // The pipeline uses the label, the code and the bindings, not the grid.
    const program = this.#programOf(kernel as unknown as Kernel);
    const key = JSON.stringify(constants);
    let pipeline = program.pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(program, constants);
      program.pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  #programOf(kernel: Kernel): Program {
    let program = this.#programs.get(kernel);
    if (!program) this.#programs.set(kernel, program = this.#program(kernel));
    return program;
  }

  #program(kernel: Kernel): Program {
    const { label, code } = kernel;
    const module: GPUShaderModule = this.#failures.watch(
      () => this.#device.createShaderModule({ label, code }),
      (failure, message) =>
        compilationError(label, code, module, failure, message),
    );
    const bindings = new Bindings(this.#device, kernel);
    return { label, module, bindings, pipelines: new Map() };
  }

  #descriptor(
    { label, module, bindings }: Program,
    constants: Readonly<Record<string, number>>,
  ): GPUComputePipelineDescriptor {
    return {
      label,
      layout: this.#device.createPipelineLayout({
        label,
        bindGroupLayouts: [bindings.layout],
      }),
      compute: { module, entryPoint: "main", constants: { ...constants } },
    };
  }

  #compile(
    program: Program,
    constants: Readonly<Record<string, number>>,
  ): Pipeline {
    const { label, bindings } = program;
    const compiled = this.#failures.watch(
      () =>
        this.#device.createComputePipeline(
          this.#descriptor(program, constants),
        ),
      (failure, message) =>
        new GpuError(
          failure === "validation" ? "compilation" : failure,
          `Cannot compile kernel "${label}" with constants ${
            JSON.stringify(constants)
          }: ${message}`,
          label,
        ),
    );
    return { label, bindings, compiled };
  }
}

/** An error with the compiler's message and the line of WGSL in question. */
async function compilationError(
  label: string,
  code: string,
  module: GPUShaderModule,
  failure: GpuError["failure"],
  message: string,
): Promise<GpuError> {
  const { messages } = await module.getCompilationInfo();
  const error = messages.find(({ type }) => type === "error");
  // Some compilers start with an empty line, and quote the code at the end.
  const [text] = (error?.message ?? message).trim().split("\n");
  const where = error
    ? `line ${error.lineNum}, column ${error.linePos}: ${text}\n${error.lineNum} | ${
      code.split("\n")[error.lineNum - 1]
    }`
    : text;
  return new GpuError(
    failure === "validation" ? "compilation" : failure,
    `Cannot compile kernel "${label}": ${where}`,
    label,
  );
}

/** The value of `GPUShaderStage.COMPUTE`, which some runtimes lack. */
const COMPUTE = 0x4;

/** The number of bind groups that one kernel keeps. */
const MAX_KEPT = 4096;

/** A number for each buffer, as a key for bind groups. */
const numbers = new WeakMap<GPUBuffer, number>();
let nextNumber = 0;

function numberOf(buffer: GPUBuffer): number {
  let number = numbers.get(buffer);
  if (number === undefined) numbers.set(buffer, number = nextNumber++);
  return number;
}

/**
 * The layout and the bind groups of one kernel. Making a bind group is the
 * slowest part of recording a kernel, so bind groups are kept: a repeated
 * forward pass gets the same buffers from the pool.
 */
class Bindings {
  readonly #device: GPUDevice;
  readonly #label: string;
  /** Bytes of the uniform struct. */
  readonly #uniformSize: number;
  /** By the numbers of the buffers. */
  readonly #groups = new Map<string, GPUBindGroup>();
  /** The layout of all its bind groups. */
  readonly layout: GPUBindGroupLayout;

  constructor(device: GPUDevice, { label, sizes, inputs, outputs }: Kernel) {
    this.#device = device;
    this.#label = label;
    this.#uniformSize = 4 * sizes.length;
    const types: GPUBufferBindingType[] = [
      ...inputs.map(() => "read-only-storage" as const),
      ...outputs.map(() => "storage" as const),
    ];
    const entries: GPUBindGroupLayoutEntry[] = types.map((type, i) => ({
      binding: 1 + i,
      visibility: COMPUTE,
      buffer: { type },
    }));
    if (this.#uniformSize) {
      const buffer = { type: "uniform", hasDynamicOffset: true } as const;
      entries.push({ binding: 0, visibility: COMPUTE, buffer });
    }
    this.layout = device.createBindGroupLayout({ label, entries });
  }

  /** The bind group of a uniform buffer, the inputs and the outputs. */
  group(uniforms: GPUBuffer, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const key = [uniforms, ...buffers].map(numberOf).join();
    let group = this.#groups.get(key);
    if (!group) {
      if (this.#groups.size === MAX_KEPT) this.#groups.clear();
      this.#groups.set(key, group = this.#make(uniforms, buffers));
    }
    return group;
  }

  #make(uniforms: GPUBuffer, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = buffers.map((buffer, i) => ({
      binding: 1 + i,
      resource: { buffer },
    }));
    const size = this.#uniformSize;
    if (size) {
      entries.push({ binding: 0, resource: { buffer: uniforms, size } });
    }
    return this.#device.createBindGroup({
      label: this.#label,
      layout: this.layout,
      entries,
    });
  }
}
