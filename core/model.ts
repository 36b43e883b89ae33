/**
 * A vision language model, put together: vision tower → projector → vision
 * tokens between the words → decoder → next-token logits (transformers'
 * LlavaForConditionalGeneration and InternVLForConditionalGeneration). Each step
 * is a function of its own, so that an evaluator can keep what does not change.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor } from "./backend.ts";
import type { ModelConfig } from "./config.ts";
import {
  type Decoder,
  decoderForLength,
  decoderLayer,
  decoderLayerLastToken,
  loadDecoder,
  type ReductionOptions,
} from "./decoder.ts";
import { checkpointNames } from "./families.ts";
import { extractPatches, type Normalization, type RgbImage } from "./image.ts";
import { loadProjector, project, type Projector } from "./projector.ts";
import { checkPrompts, type Prompt } from "./prompt.ts";
import { countUp, type DecoderState, randomScores } from "./reduce.ts";
import type { TensorStore } from "./safetensors.ts";
import type { Schedule } from "./schedule.ts";
import { encodeImage, loadVisionTower, type VisionTower } from "./vision.ts";
import { WeightLoader } from "./weights.ts";

/** A vision language model on a backend. */
export interface VisionLanguageModel {
  /** Where its weights are. */
  readonly backend: Backend;
  /** Its sizes. */
  readonly config: ModelConfig;
  /** How it wants its pixels. */
  readonly normalization: Normalization;
  /** Image patches → features. */
  readonly tower: VisionTower;
  /** Features → vision tokens. */
  readonly projector: Projector;
  /** Tokens → logits. */
  readonly decoder: Decoder;
}

/** What a model is loaded from. */
export interface ModelSource {
  /** From `parseModelConfig`. */
  readonly config: ModelConfig;
  /** From `parseNormalization`. */
  readonly normalization: Normalization;
  /** The checkpoint. */
  readonly tensors: TensorStore;
  /** What error messages call it, such as its directory. */
  readonly label: string;
}

/**
 * Loads a checkpoint.
 *
 * @throws {TypeError} weights are missing, misshapen or unexpected, all listed
 *   by name
 * @throws {RangeError} a weight is NaN or infinite
 */
export async function loadVisionLanguageModel(
  backend: Backend,
  { config, normalization, tensors, label }: ModelSource,
): Promise<VisionLanguageModel> {
  const loader = new WeightLoader(backend, {
    store: tensors,
    names: checkpointNames(config),
    label,
  });
  const tower = await loadVisionTower(loader, config.vision);
  const projector = await loadProjector(loader, config);
  const decoder = await loadDecoder(backend, loader, config.decoder);
  loader.finish();
  return { backend, config, normalization, tower, projector, decoder };
}

/**
 * Images → vision tokens, shape [B, N, D].
 *
 * @throws {RangeError} an image does not have the model's size
 */
export function embedImages(
  { backend, config, normalization, tower, projector }: VisionLanguageModel,
  images: readonly RgbImage[],
): Tensor {
  const { imageSize, patchSize } = config.vision;
  const patches = extractPatches(images, imageSize, patchSize, normalization);
  const width = 3 * patchSize * patchSize;
  return backend.scope(() => {
    const x = backend.upload(patches, [
      images.length,
      patches.length / images.length / width,
      width,
    ]);
    return project(backend, projector, encodeImage(backend, tower, x));
  });
}

/**
 * Images of several tiles → vision tokens, shape [B, tiles · N, D], those of an
 * image's tiles one after another.
 *
 * @param samples the tiles of each image; equally many for all
 * @throws {TypeError} they are not
 * @throws {RangeError} a tile does not have the model's size
 */
export function embedTiles(
  model: VisionLanguageModel,
  samples: readonly (readonly RgbImage[])[],
): Tensor {
  const [first] = samples;
  for (const tiles of samples) {
    if (tiles.length !== first.length) {
      throw new TypeError(
        `Cannot batch images as all must have ${first.length} tiles: current image has ${tiles.length}`,
      );
    }
  }
  // One tile of each image at a time bounds the memory that this takes.
  return model.backend.scope(() =>
    model.backend.concat(
      first.map((_, tile) =>
        embedImages(model, samples.map((tiles) => tiles[tile]))
      ),
      1,
    )
  );
}

/**
 * Puts vision tokens between words: what enters decoder layer 0.
 *
 * @param visionTokens shape [B, N, D]
 * @param prompts B prompts with equally many tokens before and after the image
 * @param randomRanking with the random ranking, a number for each sample
 */
export function embedPrompts(
  { backend, config, decoder }: VisionLanguageModel,
  visionTokens: Tensor,
  prompts: readonly Prompt[],
  randomRanking?: readonly number[],
): DecoderState {
  const B = prompts.length;
  const [{ before, after }] = prompts;
  checkPrompts(prompts, config.decoder.vocabulary);
  const embed = (ids: number[], count: number): Tensor =>
    backend.embed(
      decoder.embedding,
      backend.upload(Int32Array.from(ids), [B, count]),
    );
  const N = visionTokens.shape[1];
  const length = before.length + N + after.length;
  return backend.scope(() => ({
    hidden: backend.concat([
      embed(prompts.flatMap((prompt) => prompt.before), before.length),
      visionTokens,
      embed(prompts.flatMap((prompt) => prompt.after), after.length),
    ], 1),
    positions: countUp(backend, B, length),
    vision: { start: before.length, length: N },
    length,
    scores: randomRanking ? randomScores(backend, randomRanking, N) : null,
  }));
}

/** Which layers `runDecoder` runs, and how. */
export interface RunOptions extends ReductionOptions {
  /** The layer that `state` enters. Default 0. */
  readonly from?: number;
  /** The layer before which to stop. Default L. */
  readonly to?: number;
}

/**
 * Runs decoder layers under a schedule. The given state is not consumed: it
 * may be entered again with another schedule.
 *
 * @throws {RangeError} the schedule does not fit the model, or removes tokens
 *   before there are scores to rank them by; or the sequence is longer than the
 *   model's window
 */
export function runDecoder(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  { from = 0, to = model.decoder.layers.length, ...reduction }: RunOptions = {},
): DecoderState {
  checkSchedule(model, state, schedule, from);
  const { backend } = model;
  return backend.scope(() => {
    const decoder = decoderForLength(backend, model.decoder, state.length);
    let next = state;
    for (let layer = from; layer < to; layer++) {
      const entering = next;
      next = backend.scope(() =>
        decoderLayer(
          backend,
          decoder,
          layer,
          entering,
          schedule.keep[layer],
          reduction,
        )
      );
    }
    return next;
  });
}

function checkSchedule(
  { decoder }: VisionLanguageModel,
  state: DecoderState,
  { keep }: Schedule,
  from: number,
): void {
  if (keep.length !== decoder.layers.length) {
    throw new RangeError(
      `Cannot run a schedule as it must have ${decoder.layers.length} layers: current number is ${keep.length}`,
    );
  }
  if (keep[from] < state.vision.length && state.scores === null) {
    throw new RangeError(
      `Cannot run a schedule as layer ${from} has no attention before it to rank by and must keep all ${state.vision.length} vision tokens: current count is ${
        keep[from]
      }`,
    );
  }
}

/**
 * Runs the decoder to the logits of the next token, shape [B, 1, V]: what
 * `nextTokenLogits` gives after `runDecoder`, without computing in the last
 * layer what nothing reads.
 *
 * @throws {RangeError} as `runDecoder`, or `from` is not a layer
 */
export function predictNextToken(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  { from = 0, ...reduction }: Omit<RunOptions, "to"> = {},
): Tensor {
  const { backend } = model;
  const last = model.decoder.layers.length - 1;
  if (from > last) {
    throw new RangeError(
      `Cannot predict a token from layer ${from} as the last layer is ${last}`,
    );
  }
  return backend.scope(() => {
    const entering = runDecoder(model, state, schedule, {
      ...reduction,
      from,
      to: last,
    });
    const hidden = decoderLayerLastToken(
      backend,
      decoderForLength(backend, model.decoder, state.length),
      last,
      entering,
      schedule.keep[last],
      reduction,
    );
    return headLogits(model, hidden);
  });
}

/**
 * What follows the last token: logits of shape [B, 1, V].
 *
 * @param state what left the last layer
 */
export function nextTokenLogits(
  model: VisionLanguageModel,
  { hidden }: DecoderState,
): Tensor {
  const last = { start: hidden.shape[1] - 1, length: 1 };
  return model.backend.scope(() =>
    headLogits(model, model.backend.sliceRows(hidden, last))
  );
}

/** Hidden states that left the last layer → logits [B, S, V]. */
function headLogits(
  { backend, decoder }: VisionLanguageModel,
  hidden: Tensor,
): Tensor {
  const { normEpsilon } = decoder.config;
  const normed = backend.rmsNorm(hidden, decoder.finalNorm, normEpsilon);
  return backend.linear(normed, decoder.head);
}
