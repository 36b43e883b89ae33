/**
 * One measurement for `bench/load.ts`, in a process of its own, as the system
 * counts the most memory that a process has ever had:
 *
 *     once.ts read DIR         reads the weights, from beginning to end
 *     once.ts load DIR TYPE    loads them onto the CPU backend
 *     once.ts drop DIR TYPE    the same, but drops each tensor before the next
 *     once.ts error DIR TYPE   how far stored weights are from those read
 *     once.ts answer DIR TYPE OPTIONS    see `answer.ts`
 *
 * The result is a line of JSON.
 */
// deno-lint-ignore-file no-console

import {
  type Backend,
  loadVisionLanguageModel,
  type ModelSource,
  parseModelConfig,
  parseNormalization,
  type RowUpload,
  storedValues,
  type Tensor,
  type VisionLanguageModel,
  type Weight,
  type WeightType,
} from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { loadCheckpoint, openFolder } from "../../io/mod.ts";
import { answer, type AnswerOptions, type Answers } from "./answer.ts";
import { type Duration, timed } from "./timing.ts";

/** What loading took. */
export interface Loading extends Duration {
  /** The most memory that the process has had, in bytes. */
  readonly peak: number;
  /** Bytes of WebAssembly memory that tensors take. */
  readonly used: number;
  /** Bytes of WebAssembly memory. */
  readonly reserved: number;
}

/** The most memory that this process has had, as Linux counts it. */
function peakMemory(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

/** What reading took. */
export interface Reading extends Duration {
  readonly bytes: number;
}

/** Answers, and what loading the model took. */
export interface Answering extends Answers {
  readonly loading: Loading;
  /** The most memory that the process has had, in bytes. */
  readonly peak: number;
}

async function read(directory: string): Promise<Reading> {
  const buffer = new Uint8Array(1 << 23);
  const { result: bytes, ...duration } = await timed(async () => {
    let bytes = 0;
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.endsWith(".safetensors")) continue;
      using file = await Deno.open(`${directory}/${name}`);
      for (let count; (count = await file.read(buffer)) !== null;) {
        bytes += count;
      }
    }
    return bytes;
  });
  return { ...duration, bytes };
}

async function openModel(directory: string): Promise<ModelSource> {
  const { config, preprocessor, weights } = await loadCheckpoint(
    openFolder(directory),
  );
  return {
    config: parseModelConfig(config.json),
    normalization: parseNormalization(preprocessor?.json),
    tensors: weights,
    label: directory,
  };
}

/** Loads onto the CPU backend. */
async function load(
  directory: string,
  weightType: WeightType,
): Promise<{ loading: Loading; model: VisionLanguageModel }> {
  const backend = createCpuBackend({ weightType });
  const { result: model, ...duration } = await timed(async () =>
    await loadVisionLanguageModel(backend, await openModel(directory))
  );
  return {
    model,
    loading: {
      ...duration,
      peak: peakMemory(),
      used: backend.memoryUsed,
      reserved: backend.memorySize,
    },
  };
}

/** The CPU backend, but each tensor makes way for the next one. */
function createDroppingBackend(weightType: WeightType): Backend {
  const backend = createCpuBackend({ weightType });
  let last: Tensor | Weight | undefined;
  const only = <T extends Tensor | Weight>(
    begin: (shape: readonly number[]) => RowUpload<T>,
  ) =>
  (shape: readonly number[]): RowUpload<T> => {
    if (last) backend.free([last]);
    const upload = begin(shape);
    last = upload.tensor;
    return upload;
  };
  return {
    ...backend,
    uploadRows: only(backend.uploadRows),
    uploadWeightRows: only(backend.uploadWeightRows),
  };
}

/** Loads and drops what was loaded. */
async function drop(
  directory: string,
  type: WeightType,
): Promise<Omit<Loading, "used" | "reserved">> {
  const backend = createDroppingBackend(type);
  const { result: _, ...duration } = await timed(async () =>
    await loadVisionLanguageModel(backend, await openModel(directory))
  );
  return { ...duration, peak: peakMemory() };
}

/** The error of stored weights relative to them, of every 16th row read. */
async function weightError(
  directory: string,
  type: WeightType,
): Promise<number> {
  let errors = 0;
  let squares = 0;
  const backend = createDroppingBackend("f32");
  const measuring: Backend = {
    ...backend,
    uploadWeightRows([O, I]) {
      const { tensor } = backend.uploadWeightRows([1, 1]);
      const write = (rows: Float32Array): void => {
        for (let at = 0; at < rows.length; at += 16 * I) {
          const row = rows.subarray(at, at + I);
          storedValues(type, row, I).forEach((value, i) => {
            errors += (value - row[i]) ** 2;
            squares += row[i] ** 2;
          });
        }
      };
      return { tensor: { ...tensor, shape: [O, I] }, write };
    },
  };
  await loadVisionLanguageModel(measuring, await openModel(directory));
  return Math.sqrt(errors / squares);
}

const TASKS: Readonly<
  Record<
    string,
    (directory: string, type: WeightType, options: string) => Promise<unknown>
  >
> = {
  read,
  load: async (directory, type) => (await load(directory, type)).loading,
  drop,
  error: weightError,
  async answer(directory, type, options): Promise<Answering> {
    const { model, loading } = await load(directory, type);
    const answers = await answer(model, JSON.parse(options) as AnswerOptions);
    return { loading, ...answers, peak: peakMemory() };
  },
};

if (import.meta.main) {
  const [task, directory, type, options] = Deno.args;
  const result = await TASKS[task](directory, type as WeightType, options);
  console.log(JSON.stringify(result));
}
