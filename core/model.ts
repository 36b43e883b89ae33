/**
 * A vision language model: vision tower → projector → vision tokens between the
 * words → decoder (`run.ts`), as in transformers' LlavaForConditionalGeneration
 * and InternVLForConditionalGeneration. Each step is a function of its own, so
 * that an evaluator can keep the results that do not change.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor } from "./backend.ts";
import type { ModelConfig } from "./config.ts";
import { type Decoder, loadDecoder } from "./decoder_weights.ts";
import { checkpointNames } from "./families.ts";
import type { Normalization } from "./images/image.ts";
import { loadProjector, type Projector } from "./projector.ts";
import { randomScores } from "./ranking.ts";
import { countUp, type DecoderState } from "./reduce.ts";
import type { TensorStore } from "./checkpoints/safetensors.ts";
import { loadVisionTower, type VisionTower } from "./vision.ts";
import { WeightLoader } from "./checkpoints/weights.ts";

/** A vision language model on a backend. */
export interface VisionLanguageModel {
  /** The backend that holds its weights. */
  readonly backend: Backend;
  /** Its sizes. */
  readonly config: ModelConfig;
  /** How pixels are normalised. */
  readonly normalization: Normalization;
  /** Image patches → features. */
  readonly tower: VisionTower;
  /** Features → vision tokens. */
  readonly projector: Projector;
  /** Tokens → logits. */
  readonly decoder: Decoder;
}

/** The source of a model: a checkpoint and its configuration. */
export interface ModelSource {
  /** From `parseModelConfig`. */
  readonly config: ModelConfig;
  /** From `parseNormalization`. */
  readonly normalization: Normalization;
  /** The checkpoint. */
  readonly tensors: TensorStore;
  /** Its name in error messages, such as its directory. */
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

/** A prompt with one image: token ids before it and after it. */
export interface Prompt {
  /** System tokens, before the image. */
  readonly before: readonly number[];
  /** Instruction tokens, after the image. At least one. */
  readonly after: readonly number[];
  /**
   * Tokens of an answer that the model is given (teacher forcing). They follow
   * the instruction and do not rank vision tokens. So they change nothing before
   * them, unless rotary frequencies depend on the length. Default none.
   */
  readonly forced?: readonly number[];
}

/**
 * Splits token ids at the image placeholder. It may occur once, or once per
 * vision token without a gap.
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
 * Puts vision tokens between the words: the input of decoder layer 0.
 *
 * @param visionTokens shape [B, N, D]
 * @param prompts B prompts whose parts (before the image, after it, forced
 *   answer) have equal lengths
 * @param randomRanking a number for each sample, for the random ranking
 */
export function embedPrompts(
  model: VisionLanguageModel,
  visionTokens: Tensor,
  prompts: readonly Prompt[],
  randomRanking?: readonly number[],
): DecoderState {
  const { backend } = model;
  const B = prompts.length;
  const [{ before, forced = [] }] = prompts;
  checkPrompts(model, prompts);
  const N = visionTokens.shape[1];
  const words = prompts.map(wordsAfterImage);
  const length = before.length + N + words[0].length;
  return backend.scope(() => ({
    hidden: backend.concat([
      embedWords(model, prompts.map(({ before }) => before)),
      visionTokens,
      embedWords(model, words),
    ], 1),
    positions: countUp(backend, B, length),
    vision: { start: before.length, length: N },
    forced: forced.length,
    length,
    scores: randomRanking ? randomScores(backend, randomRanking, N) : null,
  }));
}

/** Instruction tokens, then forced tokens. */
export function wordsAfterImage(
  { after, forced = [] }: Prompt,
): readonly number[] {
  return [...after, ...forced];
}

/** B lists of T token ids → shape [B, T, D]. */
export function embedWords(
  { backend, decoder }: VisionLanguageModel,
  ids: readonly (readonly number[])[],
): Tensor {
  return backend.scope(() => {
    const shape = [ids.length, ids[0].length];
    const uploaded = backend.upload(Int32Array.from(ids.flat()), shape);
    return backend.embed(decoder.embedding, uploaded);
  });
}

/**
 * Checks that prompts can be run together.
 *
 * @throws {TypeError} they differ in length
 * @throws {RangeError} a token is outside the embedding table
 */
export function checkPrompts(
  model: VisionLanguageModel,
  prompts: readonly Prompt[],
): void {
  const lengths = promptLengths(prompts[0]);
  for (const prompt of prompts) {
    if (promptLengths(prompt) !== lengths) {
      throw new TypeError(
        `Cannot batch prompts as all must have ${lengths} tokens: current prompt has ${
          promptLengths(prompt)
        }`,
      );
    }
    checkIds(model, [...prompt.before, ...wordsAfterImage(prompt)]);
  }
}

/**
 * Checks that tokens can be embedded.
 *
 * @throws {RangeError} one is outside the embedding table
 */
export function checkIds(
  { config: { decoder: { vocabulary } } }: VisionLanguageModel,
  ids: readonly number[],
): void {
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
      throw new RangeError(
        `Cannot embed a token as its id must be an integer in [0, ${
          vocabulary - 1
        }]: current value is ${id}`,
      );
    }
  }
}

/**
 * The lengths of a prompt's parts: before the image, after it and, if there is
 * one, the forced answer, such as "3 + 5". Prompts of equal lengths can be
 * batched.
 */
export function promptLengths(
  { before, after, forced = [] }: Prompt,
): string {
  const parts = [before, after, ...forced.length > 0 ? [forced] : []];
  return parts.map(({ length }) => length).join(" + ");
}
