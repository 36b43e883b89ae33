// From a rendered conversation to token ids, with one id for every vision token,
// and to where in them system, vision and instruction tokens stand.

import type { Span } from "../core/backend.ts";
import type { Family } from "../core/config.ts";
import { type Prompt, splitPrompt } from "../core/model.ts";
import type { ChatTemplate, Message } from "./templates.ts";
import type { TextPiece, Tokenizer } from "./tokenizer.ts";

/** How a family of models writes an image in its prompts. */
export interface ImageFormat {
  /** What templates write where an image belongs. */
  readonly marker: string;
  /** Written before the image's tokens. */
  readonly before: string;
  /** Written once for every vision token. */
  readonly token: string;
  /** Written after the image's tokens. */
  readonly after: string;
}

/** How each family of models writes images. */
export const imageFormats: Readonly<Record<Family, ImageFormat>> = {
  "llava": { marker: "<image>", before: "", token: "<image>", after: "" },
  // The original layout of InternVL, whose templates are in conversations.ts.
  "internvl2": {
    marker: "<image>",
    before: "<img>",
    token: "<IMG_CONTEXT>",
    after: "</img>",
  },
  // That of transformers.
  "internvl": {
    marker: "<IMG_CONTEXT>",
    before: "<img>",
    token: "<IMG_CONTEXT>",
    after: "</img>",
  },
};

/** What becomes of users' words. */
export interface UserTextOptions {
  /**
   * Whether special tokens that a user writes out become their one id, as a
   * model's grounding prompts want it (`<ref>dog</ref>`). Default false: what a
   * user writes is text.
   */
  readonly specialTokens?: boolean;
}

/** What encoding a prompt with one image takes. */
export interface EncodePromptOptions extends UserTextOptions {
  /** How the model writes images. */
  readonly format: ImageFormat;
  /**
   * N, vision tokens of the image: of InternVL 256 for each tile, its thumbnail
   * included.
   */
  readonly visionTokens: number;
}

/** A prompt with one image, in tokens. */
export interface EncodedPrompt extends Prompt {
  /** All ids, the placeholder of each vision token included. */
  readonly ids: readonly number[];
  /** What stands before the image. */
  readonly system: Span;
  /** The image. */
  readonly vision: Span;
  /** What stands after it. */
  readonly instruction: Span;
}

/**
 * Encodes a prompt with one image.
 *
 * @param tokenizer The model's.
 * @param pieces What a chat template rendered.
 * @param options The image.
 * @returns Ids as the model's processor in transformers gives them.
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
  // Some templates write the first token out, as processors also notice.
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
 * Encodes what follows an answer in a conversation: its end, and the next
 * question. The prompt before, the ids of the answer as the model said it and
 * these ids are the prompt of the next turn.
 *
 * @param tokenizer The model's.
 * @param template How it wants conversations written.
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
  // What is said stands in the pieces that are not special.
  const question = pieces.findLastIndex(({ special }) => !special);
  const answer = pieces.findLastIndex(
    ({ special }, i) => !special && i < question,
  );
  // The answer's ids are there already. In the whole text a token may span its
  // end, but the model has said nothing of what follows.
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
