/**
 * From kernels to compiled pipelines, each compiled once per set of constants.
 *
 * This module is browser compatible.
 */

import { GpuError } from "./device.ts";
import type { Failures } from "./failures.ts";
import { Bindings } from "./bindings.ts";
import type { Kernel } from "./kernel.ts";

/** A kernel, compiled. */
export interface Pipeline {
  /** The label of the kernel. */
  readonly label: string;
  /** What it binds. */
  readonly bindings: Bindings;
  /** The code. */
  readonly compiled: GPUComputePipeline;
}

/** What one kernel's pipelines share. */
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

  /** Starts without pipelines. */
  constructor(device: GPUDevice, failures: Failures) {
    this.#device = device;
    this.#failures = failures;
  }

  /**
   * Compiles pipelines side by side, as far as the runtime does that: browsers
   * do, Deno 2.9 compiles one after the other. What does not compile is tried
   * again by `get`, which tells why.
   */
  async prepare(
    wanted: readonly (readonly [
      kernel: Kernel,
      constants: Readonly<Record<string, number>>,
    ])[],
  ): Promise<void> {
    const asked = new Map<Program, Set<string>>();
    const compiling: Promise<void>[] = [];
    for (const [kernel, constants] of wanted) {
      const program = this.#programOf(kernel);
      const values = JSON.stringify(constants);
      const mine = asked.get(program) ?? new Set(program.pipelines.keys());
      asked.set(program, mine);
      if (mine.has(values)) continue;
      mine.add(values);
      const { label, bindings } = program;
      const descriptor = this.#descriptor(program, constants);
      const compiled = this.#device.createComputePipelineAsync(descriptor);
      compiling.push(compiled.then(
        (compiled) => {
          program.pipelines.set(values, { label, bindings, compiled });
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
    // Only label, code and bindings are read from here on.
    const key = kernel as unknown as Kernel;
    const program = this.#programOf(key);
    const values = JSON.stringify(constants);
    let pipeline = program.pipelines.get(values);
    if (!pipeline) {
      pipeline = this.#compile(program, constants);
      program.pipelines.set(values, pipeline);
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

/** Says what the compiler has found, and shows the line where it found it. */
async function compilationError(
  label: string,
  code: string,
  module: GPUShaderModule,
  failure: GpuError["failure"],
  message: string,
): Promise<GpuError> {
  const { messages } = await module.getCompilationInfo();
  const error = messages.find(({ type }) => type === "error");
  // Some compilers begin with an empty line, and add a drawing of their own.
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
