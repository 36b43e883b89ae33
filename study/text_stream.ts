/**
 * Tokens to text as they come.
 */

import type { TextStream, Tokenizer } from "../io/mod.ts";

/**
 * Decodes an answer token by token: special tokens and space at the beginning
 * are left out. All that is given, joined, is the text of all tokens at once.
 */
export function createTextStream(tokenizer: Tokenizer): TextStream {
  const { push, finish } = tokenizer.stream({ skipSpecial: true });
  let begun = false;
  const give = (text: string): string => {
    const more = begun ? text : text.trimStart();
    begun ||= more !== "";
    return more;
  };
  return {
    push: (id) => give(push(id)),
    finish: () => give(finish()),
  };
}
