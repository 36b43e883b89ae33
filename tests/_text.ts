/** Small tokenizers of each published kind, from make_text.py, and a question. */

import type { Message } from "../io/mod.ts";
import { parseTokenizer, type Tokenizer } from "../io/tokenizer.ts";
import tokenizers from "./fixtures/text_tokenizers.json" with { type: "json" };

/** A question about an image. */
export const QUESTION: Message = { role: "user", content: "what?", images: 1 };

/** The kinds of tokenizer in the fixture. */
export type Kind = keyof typeof tokenizers;

/** All kinds. */
export const KINDS = Object.keys(tokenizers) as Kind[];

/** The tokenizer of a kind. */
export function smallTokenizer(kind: Kind): Tokenizer {
  return parseTokenizer(JSON.stringify(tokenizers[kind]), kind);
}
