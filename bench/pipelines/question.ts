/**
 * Asks models/tiny on WebGPU the same question twice. Counts the pipelines, and
 * times loading and both questions. Runs in Deno and in a page.
 */

import {
  embedPrompts,
  embedTiles,
  extend,
  fromKeepCounts,
  fullSchedule,
  loadVisionLanguageModel,
  parseModelConfig,
  parseNormalization,
  prefill,
  prepareModel,
  sampleToken,
  type Schedule,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import { makeSceneSet, type SampleSet } from "../../eval/mod.ts";
import { createGpuBackend, gpuName, requestGpu } from "../../gpu/mod.ts";
import { parseTokenizer } from "../../io/tokenizer.ts";
import { openTestTensors, readTestText } from "../../tests/_files.ts";

/** Times in milliseconds. */
export interface Times {
  /** Loading the model, with the compilation in `prepareModel`. */
  readonly load: number;
  /** The first question: prefill and two more tokens. */
  readonly first: number;
  /** The same question again. */
  readonly second: number;
}

/** The result of a measurement. */
export interface Measured {
  readonly adapter: string;
  /** Pipelines by kernel, in the order in which they were requested. */
  readonly pipelines: readonly (readonly [label: string, count: number])[];
  /** Wall time. */
  readonly wall: Times;
  /** Processor time of all threads, or null if the runtime does not report it. */
  readonly processor: Times | null;
}

const DIRECTORY = "../models/tiny";

/** Tokens after the first one. */
const TOKENS = 2;

/**
 * Loads models/tiny on a new device and asks it the same question twice.
 *
 * @param reduced whether the schedule removes vision tokens
 * @param processorTime the processor time so far in milliseconds, if known
 */
export async function measureFirstQuestion(
  reduced: boolean,
  processorTime?: () => number,
): Promise<Measured> {
  const device = await requestGpu();
  const counts = countPipelines(device);
  const read = (file: string): Promise<string> =>
    readTestText(`${DIRECTORY}/${file}`);
  const source = {
    config: parseModelConfig(JSON.parse(await read("config.json"))),
    normalization: parseNormalization(
      JSON.parse(await read("preprocessor_config.json")),
    ),
    tensors: await openTestTensors(`${DIRECTORY}/model.safetensors`),
    label: "models/tiny",
  };
  const tokenizer = parseTokenizer(await read("tokenizer.json"));
  const imageToken = source.config.imageToken as number;
  const questions = makeSceneSet(tokenizer, imageToken, {
    split: "heldout",
    seed: 0,
    count: 1,
  });
  const { decoder, visionTokens } = source.config;
  const schedule = reduced
    ? fromKeepCounts([144, 144, 100, 71, 30, 30, 7, 1], visionTokens)
    : fullSchedule(decoder.layers, visionTokens);

  const backend = createGpuBackend(device);
  const marks: { wall: number; processor: number }[] = [];
  const mark = (): number =>
    marks.push({ wall: performance.now(), processor: processorTime?.() ?? 0 });
  mark();
  const model = await loadVisionLanguageModel(backend, source);
  await prepareModel(model);
  mark();
  await ask(model, questions, schedule);
  mark();
  await ask(model, questions, schedule);
  mark();
  const timesBy = (clock: "wall" | "processor"): Times => {
    const [load, first, second] = marks.slice(1)
      .map((mark, i) => mark[clock] - marks[i][clock]);
    return { load, first, second };
  };
  device.destroy();
  return {
    adapter: gpuName(device.adapterInfo),
    pipelines: [...counts],
    wall: timesBy("wall"),
    processor: processorTime ? timesBy("processor") : null,
  };
}

/** Counts the pipelines that a device compiles, by label. */
function countPipelines(device: GPUDevice): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (
    const name of [
      "createComputePipeline",
      "createComputePipelineAsync",
    ] as const
  ) {
    const create = device[name].bind(device) as (
      descriptor: GPUComputePipelineDescriptor,
    ) => never;
    device[name] = (descriptor: GPUComputePipelineDescriptor) => {
      const label = descriptor.label ?? "";
      counts.set(label, (counts.get(label) ?? 0) + 1);
      return create(descriptor);
    };
  }
  return counts;
}

/** Answers the first question of a set. */
async function ask(
  model: VisionLanguageModel,
  { images, samples: [{ image, prompt }] }: SampleSet,
  schedule: Schedule,
): Promise<void> {
  const { backend } = model;
  const tokens = embedTiles(model, [images[image]]);
  const state = embedPrompts(model, tokens, [prompt]);
  let context = prefill(model, state, schedule);
  for (let i = 0; i < TOKENS; i++) {
    const next = sampleToken(await backend.read(context.logits));
    ({ context } = extend(model, context, [[next]]));
  }
  await backend.read(context.logits);
}
