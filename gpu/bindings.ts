/**
 * What a kernel binds. Bind groups are kept: a forward pass that is run again
 * gets the same buffers from the pool, and making a bind group takes longer than
 * all else that recording a kernel takes.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "./kernel.ts";

/** `GPUShaderStage.COMPUTE`, which not all runtimes name. */
const COMPUTE = 0x4;

/** Bind groups of one kernel that are kept; beyond, all are made anew. */
const MAX_KEPT = 4096;

/** Numbers of buffers, by which bind groups are found. */
const numbers = new WeakMap<GPUBuffer, number>();
let nextNumber = 0;

function numberOf(buffer: GPUBuffer): number {
  let number = numbers.get(buffer);
  if (number === undefined) numbers.set(buffer, number = nextNumber++);
  return number;
}

/** The layout and the bind groups of one kernel. */
export class Bindings {
  readonly #device: GPUDevice;
  readonly #label: string;
  /** Bytes of the uniform struct. */
  readonly #uniformSize: number;
  /** By the numbers of the buffers. */
  readonly #groups = new Map<string, GPUBindGroup>();
  /** What all its bind groups have in common. */
  readonly layout: GPUBindGroupLayout;

  /** Makes the layout. */
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

  /** The bind group of a buffer of sizes, and of inputs and outputs. */
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
