// Fixtures llava_a and llava_b: tiny random LLaVA models with two images, two
// prompts and everything transformers computes from them
// (fixtures/make_llava.py).

import {
  type Backend,
  createReferenceBackend,
  type DecoderState,
  embedImages,
  embedPrompts,
  fromKeepCounts,
  fullSchedule,
  loadVisionLanguageModel,
  type ModelSource,
  nextTokenLogits,
  parseModelConfig,
  parseNormalization,
  type PositionRule,
  type Prompt,
  type Ranking,
  type RgbImage,
  runDecoder,
  type RunOptions,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { openTestTensors, readTestText } from "./_files.ts";

/** The fixtures' names. */
export const LLAVA_FIXTURES = ["llava_a", "llava_b"] as const;

/** A schedule that was run by another implementation. */
export interface PrunedRun {
  /** Names its arrays: `${label}.hidden.${layer}`, `${label}.logits`. */
  readonly label: string;
  /** Keep counts per layer. */
  readonly keep: readonly number[];
  readonly ranking: Ranking;
  readonly positions: PositionRule;
  /** Vision tokens there, `kept[layer][sample]`, numbered from 0. */
  readonly kept: readonly (readonly (readonly number[])[])[];
}

/** A model and what goes into it and comes out of it. B = 2 samples. */
export interface LlavaFixture {
  readonly source: ModelSource;
  readonly model: VisionLanguageModel;
  readonly images: readonly RgbImage[];
  readonly prompts: readonly Prompt[];
  readonly pruned: readonly PrunedRun[];
  /** An array of another implementation, by name. */
  expected(name: string): Promise<Float32Array>;
}

/** Loads a fixture onto a backend. */
export async function loadLlavaFixture(
  name: typeof LLAVA_FIXTURES[number],
  backend: Backend = createReferenceBackend(),
): Promise<LlavaFixture> {
  const path = `fixtures/${name}`;
  const description = JSON.parse(await readTestText(`${path}.json`));
  const arrays = await openTestTensors(`${path}.expected.safetensors`);

  const source = {
    config: parseModelConfig(description.config),
    normalization: parseNormalization(description.preprocessor),
    tensors: await openTestTensors(`${path}.safetensors`),
    label: name,
  };
  const [, height, width] = arrays.tensors.get("images")!.shape;
  const bytes = Uint8Array.from(await arrays.read("images"));
  const size = height * width * 3;
  return {
    source,
    model: await loadVisionLanguageModel(backend, source),
    images: [0, 1].map((b) => ({
      width,
      height,
      data: bytes.slice(b * size, (b + 1) * size),
    })),
    prompts: description.prompts,
    pruned: description.pruned,
    expected: (array) => arrays.read(array),
  };
}

/** Both samples of a fixture as a batch, ready for decoder layer 0. */
export function enter(
  { model, images, prompts }: Pick<
    LlavaFixture,
    "model" | "images" | "prompts"
  >,
): DecoderState {
  return embedPrompts(model, embedImages(model, images), prompts);
}

/** What a run of the decoder gives, copied to the host. */
export interface Trace {
  /** Of every layer that ran, what leaves it. */
  readonly layers: readonly {
    /** Shape [B, S, D]. */
    readonly hidden: Float32Array;
    /** Shape [B, S]. */
    readonly positions: Int32Array;
    /** Shape [B, n], n being the vision tokens there; none are empty. */
    readonly scores: Float32Array;
  }[];
  /** Shape [B, V]. */
  readonly logits: Float32Array;
}

/** Runs the decoder layer by layer and the head, and copies all that comes by. */
export async function trace(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  { from = 0, ...reduction }: Omit<RunOptions, "to"> = {},
): Promise<Trace> {
  const { backend } = model;
  const layers: Trace["layers"][number][] = [];
  let last = state;
  for (let layer = from; layer < schedule.keep.length; layer++) {
    last = runDecoder(model, last, schedule, {
      ...reduction,
      from: layer,
      to: layer + 1,
    });
    layers.push({
      hidden: await backend.read(last.hidden),
      positions: await backend.read(last.positions),
      scores: last.scores
        ? await backend.read(last.scores)
        : new Float32Array(),
    });
  }
  const logits = await backend.read(nextTokenLogits(model, last));
  return { layers, logits };
}

/** The schedule that removes nothing. */
export function keepAll({ config }: VisionLanguageModel): Schedule {
  return fullSchedule(config.decoder.layers, config.visionTokens);
}

/** The schedule of a pruned run. */
export function scheduleOf(
  model: VisionLanguageModel,
  run: PrunedRun,
): Schedule {
  return fromKeepCounts(run.keep, model.config.visionTokens);
}
