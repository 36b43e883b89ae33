// Text to token ids and back, from a Hugging Face tokenizer.json, as the
// tokenizers library and transformers do it. Normalisation, splitting, merging
// and decoding are done by the npm package @huggingface/tokenizers. This module
// finds added tokens itself (see added_tokens.ts), decodes bytes where the
// package does not do it like the library, and turns silent failures into errors.

import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import {
  type AddedToken,
  isAddedToken,
  makeCutter,
  parseAddedTokens,
  textOf,
  type TextPiece,
} from "./added_tokens.ts";
import { checkVocabulary } from "./vocabulary.ts";

export type { TextPiece } from "./added_tokens.ts";

/** Turns text into token ids and back. */
export interface Tokenizer {
  /**
   * Ids of a text, no token put before or after it. Of a string, added tokens
   * written out in it, such as `<image>`, become their one id. Pieces are
   * encoded as one text, but only in those that are special are such tokens
   * looked for: a user who writes `<image>` gets the letters.
   *
   * @throws {RangeError} If a word has no id and there is no unknown-word token.
   */
  encode(text: string | readonly TextPiece[]): number[];
  /**
   * Text of ids.
   *
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Id of one token exactly as the vocabulary spells it, if it has one. */
  tokenId(token: string): number | undefined;
  /** Ids that a whole prompt begins with, such as that of `<s>`; often none. */
  readonly begin: readonly number[];
}

/** How to decode. */
export interface DecodeOptions {
  /** Whether to leave special tokens out. Default false. */
  readonly skipSpecial?: boolean;
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
  let parts: Parts;
  try {
    parts = parseParts(JSON.parse(json));
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${label} as it does not describe a tokenizer: ${
        (error as Error).message
      }`,
      { cause: error },
    );
  }
  const { tokenizer } = parts;
  return {
    encode: makeEncoder(parts, label),
    decode: makeDecoder(parts, label),
    tokenId: (token) => tokenizer.token_to_id(token),
    begin: parts.begin,
  };
}

/** What a tokenizer.json describes. */
interface Parts {
  readonly tokenizer: HuggingFaceTokenizer;
  readonly added: readonly AddedToken[];
  /** Whether the decoder puts characters together from tokens such as `<0x0A>`. */
  readonly byteFallback: boolean;
  /** What the post-processor puts before a text. */
  readonly begin: readonly number[];
}

/** What this module reads of a tokenizer.json. */
interface Description {
  readonly "added_tokens"?: unknown;
  readonly model?: { readonly "unk_token"?: unknown };
  readonly decoder?: DecoderDescription | null;
}

interface DecoderDescription {
  readonly type: string;
  readonly decoders?: readonly DecoderDescription[];
}

function parseParts(description: Description): Parts {
  const { decoder, model } = description;
  checkVocabulary(model);
  const added = parseAddedTokens(description.added_tokens);
  const tokenizer = new HuggingFaceTokenizer(description, {
    // The package looks for a word-level model's unknown word here, and
    // not in tokenizer.json, where it stands.
    unk_token: model?.unk_token,
  });
  return {
    added,
    tokenizer,
    begin: beginOf(tokenizer),
    byteFallback: [decoder, ...decoder?.decoders ?? []]
      .some((step) => step?.type === "ByteFallback"),
  };
}

function beginOf(tokenizer: HuggingFaceTokenizer): number[] {
  const text = "a text";
  const tokens = tokenizer.post_processor?.post_process([text]).tokens ?? [];
  return tokens.slice(0, Math.max(0, tokens.indexOf(text)))
    .map((token) => tokenizer.token_to_id(token)!);
}

function makeEncoder(
  { tokenizer, added }: Parts,
  label: string,
): Tokenizer["encode"] {
  const { normalizer, pre_tokenizer: preTokenizer, model } = tokenizer;
  const normalize = (text: string) => normalizer?.normalize(text) ?? text;
  const specials = new Set(
    added.filter(({ special }) => special).map(({ content }) => content),
  );
  const asWritten = added.filter(({ normalized }) => !normalized);
  const asNormalized = added.filter(({ normalized }) => normalized);
  const cut = makeCutter(
    new Map(asWritten.map((token) => [token.content, token])),
  );
  const cutNormalized = makeCutter(
    new Map(asNormalized.map((token) => [normalize(token.content), token])),
  );

  /** Ids of text without added tokens; `start` tells whether a prompt starts with it. */
  function encodeText(text: string, start: boolean): number[] {
    if (text === "") return [];
    const words = preTokenizer?.pre_tokenize(text, {
      section_index: start ? 0 : 1,
    }) ?? [text];
    return model!.encode(words).map((token) => {
      // A vocabulary of whole words has the special tokens, too.
      const word = specials.has(token)
        ? undefined
        : tokenizer.token_to_id(token);
      const id = word ?? model!.unk_token_id;
      if (id === undefined) {
        throw new RangeError(
          `Cannot encode ${
            JSON.stringify(text)
          } as ${label} has no id for "${token}" and no unknown-word token`,
        );
      }
      return id;
    });
  }

  return (input) => {
    const pieces = typeof input === "string"
      ? [{ text: input, special: true }]
      : input;
    let start = true;
    const ids: number[] = [];
    for (const section of cut(pieces)) {
      const parts = isAddedToken(section)
        ? [section]
        : cutNormalized(normalizePieces(section, normalize));
      for (const part of parts) {
        const found = isAddedToken(part)
          ? [part.id]
          : encodeText(textOf(part), start);
        // Not all at once: a long text has more ids than a call takes arguments.
        for (const id of found) ids.push(id);
        if (isAddedToken(part) || textOf(part) !== "") start = false;
      }
    }
    return ids;
  };
}

/**
 * Normalises pieces as one text. Where a piece ends in it is where the
 * normalised text of all pieces up to there ends.
 */
function normalizePieces(
  pieces: readonly TextPiece[],
  normalize: (text: string) => string,
): TextPiece[] {
  const whole = textOf(pieces);
  if (whole === "") return [];
  const normalized = normalize(whole);
  let text = "";
  let start = 0;
  return pieces.map((piece, i) => {
    text += piece.text;
    const end = i === pieces.length - 1
      ? normalized.length
      : text === ""
      ? 0
      : normalize(text).length;
    const part = normalized.slice(start, end);
    start = end;
    return { ...piece, text: part };
  });
}

function makeDecoder(
  { tokenizer, added, byteFallback }: Parts,
  label: string,
): Tokenizer["decode"] {
  const { normalizer, decoder } = tokenizer;
  const special = new Set(
    added.filter((token) => token.special).map(({ id }) => id),
  );
  const normalized = new Map(
    added.filter((token) => token.normalized && normalizer)
      .map(({ id, content }) => [id, normalizer!.normalize(content)]),
  );
  return (ids, { skipSpecial = false } = {}) => {
    let tokens = ids.filter((id) => !skipSpecial || !special.has(id))
      .map((id) => {
        const token = normalized.get(id) ?? tokenizer.id_to_token(id);
        if (token === undefined) {
          throw new RangeError(
            `Cannot decode token id ${id} as ${label} has no such id`,
          );
        }
        return token;
      });
    if (byteFallback) tokens = joinBytes(tokens);
    return decoder?.decode(tokens) ?? tokens.join(" ");
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Puts characters together from byte tokens. The package drops a byte-order mark
 * and reads what it can of bytes that are not UTF-8; the tokenizers library
 * gives U+FFFD for each byte of such a run.
 */
function joinBytes(tokens: readonly string[]): string[] {
  const joined: string[] = [];
  let bytes: number[] = [];
  const close = () => {
    if (bytes.length > 0) joined.push(decodeUtf8(bytes));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte) {
      bytes.push(parseInt(byte[1], 16));
    } else {
      close();
      joined.push(token);
    }
  }
  close();
  return joined;
}

function decodeUtf8(bytes: readonly number[]): string {
  try {
    return UTF8.decode(Uint8Array.from(bytes));
  } catch {
    return "\uFFFD".repeat(bytes.length);
  }
}
