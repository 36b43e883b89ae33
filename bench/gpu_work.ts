/**
 * The work of bench/gpu.ts: its shapes, our operations on them, and the limits of
 * the GPU.
 */

import {
  type Tensor,
  type Weight,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { createGpuBackend, type GpuBackend } from "../gpu/mod.ts";
import type { GpuTensor } from "../gpu/tensors.ts";
import type { Tolerance } from "../tests/_compare.ts";
import { recordArithmetic, recordReading } from "./gpu_limit.ts";
import {
  attentionInputs,
  flopOf,
  linearInputs,
  type Work,
} from "./peers/kernels/work.ts";

/**
 * Tolerances for other libraries. With 16 bits they also accumulate in 16 bits,
 * and their groups of integers have other sizes.
 */
const WEIGHT_TOLERANCES: Readonly<Record<WeightType, Tolerance>> = {
  f32: { relative: 1e-4, absolute: 1e-4 },
  f16: { relative: 1e-2, absolute: .1 },
  int8: { absolute: .1 },
  int4: { absolute: .7 },
};

const linear = (
  [M, I, O]: readonly [number, number, number],
  weightType: WeightType = "f32",
): Work => ({ operation: "linear", M, I, O, weightType });

/** The MLP of LLaVA-1.5-7B with 72 text and 576 vision tokens. */
const MLP = [648, 4096, 11008] as const;
/** The same at an eighth of the width. */
const SMALL_MLP = [648, 512, 1376] as const;

/** The work to measure. A GPU in software gets smaller shapes. */
export function worksFor(software: boolean): Work[] {
  const heads = software ? { H: 8, E: 64 } : { H: 32, E: 128 };
  return [
    linear([512, 512, 512]),
    linear([1024, 1024, 1024]),
    ...software ? [] : [linear([4096, 4096, 4096])],
    ...WEIGHT_TYPES.map((type) => linear(software ? SMALL_MLP : MLP, type)),
    ...WEIGHT_TYPES.map((type) => linear([1, 4096, 4096], type)),
    { operation: "attention", S: 648, ...heads },
    { operation: "attention", S: 1360, ...heads },
  ];
}

/** The bytes to read, for work that reading limits. */
export function bytesOf(work: Work): number | undefined {
  return work.operation === "linear" && work.M === 1
    ? weightBytes(work.weightType, [work.O, work.I])
    : undefined;
}

/** Work with its inputs on the GPU. */
export interface Prepared {
  readonly backend: GpuBackend;
  /** Records the work once. */
  readonly record: () => void;
  /** Frees the inputs. */
  readonly free: () => void;
}

/** Our work, with its result. */
export interface Ours extends Prepared {
  readonly result: () => Promise<Float32Array>;
}

/** Prepares an operation on inputs. */
function prepare(
  backend: GpuBackend,
  inputs: readonly (Tensor | Weight)[],
  compute: () => Tensor,
): Ours {
  return {
    backend,
    record: () => backend.free([compute()]),
    async result() {
      const out = compute();
      const values = await backend.read(out);
      backend.free([out]);
      return values;
    },
    free: () => backend.free(inputs),
  };
}

/** Prepares our operation. */
export function prepareOurs(device: GPUDevice, work: Work): Ours {
  if (work.operation === "linear") {
    const { M, I, O } = work;
    const backend = createGpuBackend(device, { weightType: work.weightType });
    const inputs = linearInputs(work);
    const x = backend.upload(inputs.x, [M, I]);
    const weight = backend.uploadWeight(inputs.weight, [O, I]);
    return prepare(backend, [x, weight], () => backend.linear(x, weight));
  }
  const { S, H, E } = work;
  const backend = createGpuBackend(device);
  const inputs = attentionInputs(work);
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) =>
    backend.upload(x, [1, S, H * E])
  );
  const compute = (): Tensor => backend.attention(q, k, v, { headWidth: E });
  return prepare(backend, [q, k, v], compute);
}

/** Prepares the same amount of plain arithmetic or reading. */
export function prepareLimit(device: GPUDevice, work: Work): Prepared {
  const context = createContext(device);
  const backend = backendOn(context);
  const bytes = bytesOf(work);
  if (bytes === undefined) {
    const record = (): void => recordArithmetic(context, flopOf(work));
    return { backend, record, free: () => {} };
  }
  const x = backend.upload(new Float32Array(bytes / 4), [bytes / 4]);
  const record = (): void => recordReading(context, x as GpuTensor<"float">);
  return { backend, record, free: () => backend.free([x]) };
}

/** The tolerance of other libraries' numbers. */
export function toleranceOf(work: Work): Tolerance {
  return work.operation === "linear"
    ? WEIGHT_TOLERANCES[work.weightType]
    : WEIGHT_TOLERANCES.f32;
}
