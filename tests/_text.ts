/** Small tokenizers of each published kind, and from make_text.py. */

import { parseTokenizer, type Tokenizer } from "../io/tokenizer.ts";
import tokenizers from "./fixtures/text_tokenizers.json" with { type: "json" };

/** The kinds of tokenizer in the fixture. */
export type Kind = keyof typeof tokenizers;

/** All kinds. */
export const KINDS = Object.keys(tokenizers) as Kind[];

/** The tokenizer of a kind. */
export function smallTokenizer(kind: Kind): Tokenizer {
  return parseTokenizer(JSON.stringify(tokenizers[kind]), kind);
}
