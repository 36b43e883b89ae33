/**
 * Tokens to text as they come.
 */

import type { Tokenizer } from "../io/mod.ts";

/** A text that grows by tokens. */
export interface TextStream {
  /** Adds a token; gives the text that is certain since the last call. */
  push(id: number): string;
  /** Ends the text; gives what was held back. */
  finish(): string;
}

/** Stands for bytes that are not a whole character yet. */
const INCOMPLETE = /\uFFFD+$/;

/**
 * Decodes tokens one by one. A character of several tokens is held back until
 * it is whole: all tokens are decoded anew each time, as what one stands for
 * depends on its neighbours. Space at the beginning is left out.
 */
export function createTextStream(tokenizer: Tokenizer): TextStream {
  const ids: number[] = [];
  let given = "";
  const decode = (): string =>
    tokenizer.decode(ids, { skipSpecial: true }).trimStart();
  const give = (text: string): string => {
    // A token may change the text before it, which has been given already.
    if (!text.startsWith(given)) return "";
    const more = text.slice(given.length);
    given = text;
    return more;
  };
  return {
    push(id) {
      ids.push(id);
      return give(decode().replace(INCOMPLETE, ""));
    },
    finish: () => give(decode()),
  };
}
