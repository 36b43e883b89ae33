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

  /** The pipeline of a kernel with its constants. */
  get<S extends string, C extends string>(
    kernel: Kernel<S, C>,
    constants: Readonly<Record<C, number>>,
  ): Pipeline {
    // Only label, code and bindings are read from here on.
    const key = kernel as unknown as Kernel;
    let program = this.#programs.get(key);
    if (!program) this.#programs.set(key, program = this.#program(key));
    const values = JSON.stringify(constants);
    let pipeline = program.pipelines.get(values);
    if (!pipeline) {
      pipeline = this.#compile(key, program, constants);
      program.pipelines.set(values, pipeline);
    }
    return pipeline;
  }

  #program(kernel: Kernel): Program {
    const { label, code } = kernel;
    const module: GPUShaderModule = this.#failures.watch(
      () => this.#device.createShaderModule({ label, code }),
      (failure, message) =>
        compilationError(label, code, module, failure, message),
    );
    const bindings = new Bindings(this.#device, kernel);
    return { module, bindings, pipelines: new Map() };
  }

  #compile(
    { label }: Kernel,
    { module, bindings }: Program,
    constants: Readonly<Record<string, number>>,
  ): Pipeline {
    const compiled = this.#failures.watch(
      () =>
        this.#device.createComputePipeline({
          label,
          layout: this.#device.createPipelineLayout({
            label,
            bindGroupLayouts: [bindings.layout],
          }),
          compute: { module, entryPoint: "main", constants: { ...constants } },
        }),
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
