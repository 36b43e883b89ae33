// From a rendered conversation to token ids with one id for every vision token,
// and to the spans of system, vision and instruction tokens.

import type { Span } from "../core/backend.ts";
import type { Family } from "../core/config.ts";
import { type Prompt, splitPrompt } from "../core/model.ts";
import type { ChatTemplate, Message } from "./templates.ts";
import type { TextPiece, Tokenizer } from "./tokenizer.ts";

/** The tokens of an image in the prompts of a family. */
export interface ImageFormat {
  /** The marker that templates write for an image. */
  readonly marker: string;
  /** Written before the image's tokens. */
  readonly before: string;
  /** Written once for every vision token. */
  readonly token: string;
  /** Written after the image's tokens. */
  readonly after: string;
}

/** The tokens of an image, by family. */
export const imageFormats: Readonly<Record<Family, ImageFormat>> = {
  "llava": { marker: "<image>", before: "", token: "<image>", after: "" },
  // InternVL's original layout; conversations.ts has its templates.
  "internvl2": {
    marker: "<image>",
    before: "<img>",
    token: "<IMG_CONTEXT>",
    after: "</img>",
  },
  // The layout of transformers.
  "internvl": {
    marker: "<IMG_CONTEXT>",
    before: "<img>",
    token: "<IMG_CONTEXT>",
    after: "</img>",
  },
};

/** How the words of users are encoded. */
export interface UserTextOptions {
  /**
   * Whether a special token that a user spells becomes its one id, as grounding
   * prompts need it (`<ref>dog</ref>`). Default false: the words of a user are
   * text.
   */
  readonly specialTokens?: boolean;
}

/** Options of {@linkcode encodePrompt}. */
export interface EncodePromptOptions extends UserTextOptions {
  /** The tokens of an image. */
  readonly format: ImageFormat;
  /**
   * N, vision tokens of the image. InternVL has 256 for each tile; the thumbnail
   * counts as a tile.
   */
  readonly visionTokens: number;
}

/** A prompt with one image, in tokens. */
export interface EncodedPrompt extends Prompt {
  /** All ids, the placeholder of each vision token included. */
  readonly ids: readonly number[];
  /** The tokens before the image. */
  readonly system: Span;
  /** The tokens of the image. */
  readonly vision: Span;
  /** The tokens after it. */
  readonly instruction: Span;
}

/**
 * Encodes a prompt with one image.
 *
 * @param tokenizer The model's.
 * @param pieces The prompt that a chat template rendered.
 * @param options The image.
 * @returns The ids that the model's processor in transformers gives.
 * @throws {RangeError} If there is not exactly one image, with text after it,
 *   or the tokenizer does not know the image's token.
 */
export function encodePrompt(
  tokenizer: Tokenizer,
  pieces: readonly TextPiece[],
  { format, visionTokens, specialTokens = false }: EncodePromptOptions,
): EncodedPrompt {
  checkImages(pieces, format);
  const imageToken = tokenizer.tokenId(format.token);
  if (imageToken === undefined) {
    throw new RangeError(
      `Cannot encode an image as the tokenizer must have a token ${format.token}`,
    );
  }
  const image = format.before + format.token + format.after;
  const encoded = tokenizer.encode(
    pieces.map(({ text, special }) => ({
      text: special ? text.replace(format.marker, () => image) : text,
      special: special || specialTokens,
    })),
  );
  // Some templates write the first token themselves. Processors of transformers
  // do not repeat it either.
  const begun = tokenizer.begin.every((id, i) => encoded[i] === id);
  const prompt = splitPrompt(
    begun ? encoded : [...tokenizer.begin, ...encoded],
    imageToken,
  );
  const { before, after } = prompt;
  const vision = { start: before.length, length: visionTokens };
  const placeholders = Array<number>(visionTokens).fill(imageToken);
  return {
    ...prompt,
    ids: [...before, ...placeholders, ...after],
    system: { start: 0, length: before.length },
    vision,
    instruction: { start: vision.start + visionTokens, length: after.length },
  };
}

/**
 * Encodes the part of a conversation after an answer: the answer's end and the
 * next question. The prompt of the next turn is the prompt before, the ids that
 * the model generated, and these ids.
 *
 * @param tokenizer The model's.
 * @param template The model's chat template.
 * @param messages The conversation, ending with an answer that is not empty and
 *   the question after it.
 * @param options Whether the question may hold special tokens.
 * @returns The ids.
 * @throws {RangeError} If the template does not allow the conversation.
 */
export function encodeTurn(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly Message[],
  { specialTokens = false }: UserTextOptions = {},
): number[] {
  const pieces = template.render(messages);
  // The words of messages stand in the pieces that are not special.
  const question = pieces.findLastIndex(({ special }) => !special);
  const answer = pieces.findLastIndex(
    ({ special }, i) => !special && i < question,
  );
  // The answer's ids are known. In the whole text a token might span the answer's
  // end, but the model did not generate the text after it.
  const rest = pieces.slice(answer + 1).map(({ text, special }) => ({
    text,
    special: special || specialTokens,
  }));
  return tokenizer.encode(rest, { goesOn: true });
}

function checkImages(
  pieces: readonly TextPiece[],
  { marker }: ImageFormat,
): void {
  const images = pieces.filter(({ special }) => special)
    .reduce((sum, { text }) => sum + text.split(marker).length - 1, 0);
  if (images !== 1) {
    throw new RangeError(
      `Cannot encode a prompt as it must show exactly one image: current number is ${images}`,
    );
  }
}
