/**
 * LLaVA, put together: vision tower → projector → vision tokens between the
 * words, ready for the decoder (`run.ts`), as in transformers'
 * LlavaForConditionalGeneration. Each step is a function of its own, so that an
 * evaluator can keep what does not change.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor } from "./backend.ts";
import type { LlavaConfig } from "./config.ts";
import { type Decoder, loadDecoder } from "./decoder.ts";
import { extractPatches, type Normalization, type RgbImage } from "./image.ts";
import { loadProjector, project, type Projector } from "./projector.ts";
import { randomScores } from "./ranking.ts";
import { countUp, type DecoderState } from "./reduce.ts";
import type { TensorStore } from "./safetensors.ts";
import { encodeImage, loadVisionTower, type VisionTower } from "./vision.ts";
import { WeightLoader } from "./weights.ts";

/** A LLaVA model on a backend. */
export interface LlavaModel {
  /** Where its weights are. */
  readonly backend: Backend;
  /** Its sizes. */
  readonly config: LlavaConfig;
  /** How it wants its pixels. */
  readonly normalization: Normalization;
  /** Image patches → features. */
  readonly tower: VisionTower;
  /** Features → vision tokens. */
  readonly projector: Projector;
  /** Tokens → logits. */
  readonly decoder: Decoder;
}

/** What `loadLlava` reads. */
export interface LlavaSource {
  /** From `parseLlavaConfig`. */
  readonly config: LlavaConfig;
  /** From `parseNormalization`. */
  readonly normalization: Normalization;
  /** The checkpoint. */
  readonly tensors: TensorStore;
  /** What error messages call it, such as its directory. */
  readonly label: string;
}

/**
 * Loads a LLaVA checkpoint.
 *
 * @throws {TypeError} weights are missing or misshapen, all listed by name
 */
export async function loadLlava(
  backend: Backend,
  { config, normalization, tensors, label }: LlavaSource,
): Promise<LlavaModel> {
  const loader = new WeightLoader(backend, tensors, label);
  const tower = await loadVisionTower(loader, config.vision);
  const projector = await loadProjector(loader, config);
  const decoder = await loadDecoder(backend, loader, config.decoder);
  loader.finish();
  return { backend, config, normalization, tower, projector, decoder };
}

/** A prompt with one image: token ids before it and after it. */
export interface Prompt {
  /** System tokens: what stands before the image. */
  readonly before: readonly number[];
  /** Instruction tokens: what stands after it. At least one. */
  readonly after: readonly number[];
}

/**
 * Splits token ids at the image placeholder, which may stand once or once for
 * every vision token.
 *
 * @throws {RangeError} there is not exactly one image, or nothing after it
 */
export function splitPrompt(
  ids: readonly number[],
  imageToken: number,
): Prompt {
  const start = ids.indexOf(imageToken);
  const end = ids.lastIndexOf(imageToken) + 1;
  const one = start >= 0 &&
    ids.slice(start, end).every((id) => id === imageToken);
  if (!one || end === ids.length) {
    throw new RangeError(
      `Cannot use a prompt as it must hold one image (token ${imageToken}) with text after it: current tokens are [${ids}]`,
    );
  }
  return { before: ids.slice(0, start), after: ids.slice(end) };
}

/**
 * Images → vision tokens, shape [B, N, D].
 *
 * @throws {RangeError} an image does not have the model's size
 */
export function embedImages(
  { backend, config, normalization, tower, projector }: LlavaModel,
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
 * Puts vision tokens between words: what enters decoder layer 0.
 *
 * @param visionTokens shape [B, N, D]
 * @param prompts B prompts with equally many tokens before and after the image
 * @param randomRanking with the random ranking, a number for each sample
 */
export function embedPrompts(
  { backend, config, decoder }: LlavaModel,
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
  return backend.scope(() => ({
    hidden: backend.concat([
      embed(prompts.flatMap((prompt) => prompt.before), before.length),
      visionTokens,
      embed(prompts.flatMap((prompt) => prompt.after), after.length),
    ], 1),
    positions: countUp(backend, B, before.length + N + after.length),
    vision: { start: before.length, length: N },
    scores: randomRanking ? randomScores(backend, randomRanking, N) : null,
  }));
}

/** One shape per batch, and no token outside the embedding table. */
function checkPrompts(prompts: readonly Prompt[], vocabulary: number): void {
  const [first] = prompts;
  for (const { before, after } of prompts) {
    if (
      before.length !== first.before.length ||
      after.length !== first.after.length
    ) {
      throw new TypeError(
        `Cannot batch prompts as all must have ${first.before.length} + ${first.after.length} tokens: current prompt has ${before.length} + ${after.length}`,
      );
    }
    for (const id of [...before, ...after]) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
        throw new RangeError(
          `Cannot embed a token as its id must be an integer in [0, ${
            vocabulary - 1
          }]: current value is ${id}`,
        );
      }
    }
  }
}
