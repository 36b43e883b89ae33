// Text to token ids and back, from a Hugging Face tokenizer.json. The work is
// done by the npm package @huggingface/tokenizers; this module gives it what it
// needs and turns its silent failures into errors.

import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";

/** Turns text into token ids and back. */
export interface Tokenizer {
  /**
   * Ids of a text, no special tokens added. Special tokens written out in the
   * text, such as `<image>`, become their one id.
   *
   * @throws {RangeError} If a word has no id and there is no unknown-word token.
   */
  encode(text: string): number[];
  /**
   * Text of ids, special tokens included.
   *
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  decode(ids: readonly number[]): string;
  /** Id of one token exactly as the vocabulary spells it, if it has one. */
  tokenId(token: string): number | undefined;
}

/**
 * Makes a tokenizer from a tokenizer.json.
 *
 * @example Ids of a question
 * ```ts
 * import { parseTokenizer } from "@tokensieve/tokensieve/io";
 *
 * const tokenizer = parseTokenizer(JSON.stringify({
 *   added_tokens: [],
 *   normalizer: null,
 *   pre_tokenizer: { type: "WhitespaceSplit" },
 *   post_processor: null,
 *   decoder: null,
 *   model: { type: "WordLevel", vocab: { what: 0, color: 1 } },
 * }));
 * console.log(tokenizer.encode("what color")); // [0, 1]
 * ```
 *
 * @param json The file's text.
 * @param label What errors call the file.
 * @returns The tokenizer.
 * @throws {SyntaxError} If the text is not JSON, or not a tokenizer.
 */
export function parseTokenizer(
  json: string,
  label: string = "tokenizer.json",
): Tokenizer {
  let tokenizer: HuggingFaceTokenizer;
  try {
    const description = JSON.parse(json);
    tokenizer = new HuggingFaceTokenizer(description, {
      // The package looks for a word-level model's unknown word here, and
      // not in tokenizer.json, where it stands.
      unk_token: description?.model?.unk_token,
      // Decoded text is compared with answers, so spaces stay as they are.
      clean_up_tokenization_spaces: false,
    });
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${label} as it does not describe a tokenizer: ${
        (error as Error).message
      }`,
      { cause: error },
    );
  }
  return {
    encode(text: string): number[] {
      const { ids, tokens } = tokenizer.encode(text, {
        add_special_tokens: false,
      });
      const unknown = ids.findIndex((id) => id === undefined);
      if (unknown !== -1) {
        throw new RangeError(
          `Cannot encode "${text}" as ${label} has no id for "${
            tokens[unknown]
          }" and no unknown-word token`,
        );
      }
      return ids;
    },
    decode(ids: readonly number[]): string {
      if (ids.length === 0) return "";
      const unknown = ids.find((id) => tokenizer.id_to_token(id) === undefined);
      if (unknown !== undefined) {
        throw new RangeError(
          `Cannot decode token id ${unknown} as ${label} has no such id`,
        );
      }
      return tokenizer.decode([...ids]);
    },
    tokenId: (token: string): number | undefined =>
      tokenizer.token_to_id(token),
  };
}
