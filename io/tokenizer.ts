// Text to token ids and back, from a Hugging Face tokenizer.json, as the
// tokenizers library and transformers do it. A text is cut at added tokens. The
// rest is normalised and cut into words (token_words.ts), which the model turns
// into ids (token_model.ts). A decoder turns tokens into text (token_decoder.ts).
// A part that none of these can do like the library is refused when the file is
// read.

import { parseDecoder } from "./token_decoder.ts";
import { parseModel, type TokenModel } from "./token_model.ts";
import { type Description, requiredParts } from "./token_parts.ts";
import {
  type Normalize,
  parseNormalizer,
  parsePreTokenizer,
  type Place,
  type Split,
} from "./token_words.ts";

/** A part of a text, and whether to look for added tokens in it. */
export interface TextPiece {
  /** The text. */
  readonly text: string;
  /**
   * Whether added tokens that are spelled in it become their one id: true for the
   * text of a template, false for the text of a user.
   */
  readonly special: boolean;
}

/** Turns text into token ids and back. */
export interface Tokenizer {
  /**
   * Ids of a text, without tokens before or after it. Added tokens that are
   * spelled in a string, such as `<image>`, become their one id. Pieces are encoded
   * as one text, but only special pieces are searched for such tokens: `<image>` in
   * the text of a user stays letters.
   *
   * @throws {RangeError} If a word has no id and there is no unknown-word token.
   */
  encode(
    text: string | readonly TextPiece[],
    options?: EncodeOptions,
  ): number[];
  /**
   * Text of ids. An id without a token is skipped, as transformers does it: models
   * may have more rows than their tokenizers have tokens.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Starts decoding ids that arrive one by one. */
  stream(options?: DecodeOptions): TextStream;
  /** Id of a token, spelled as in the vocabulary; undefined if there is none. */
  tokenId(token: string): number | undefined;
  /** Id of all unknown words; undefined where they cannot be encoded. */
  readonly unknown: number | undefined;
  /** Ids that begin a whole prompt, such as the id of `<s>`; often none. */
  readonly begin: readonly number[];
}

/** How to encode. */
export interface EncodeOptions {
  /**
   * Whether other text comes before this one. Some tokenizers put a space before
   * a text that begins. Default false.
   */
  readonly goesOn?: boolean;
}

/** Decodes a growing list of tokens. */
export interface TextStream {
  /**
   * Adds a token and returns the text that has become certain. All these texts
   * joined equal `decode` of all ids.
   */
  push(id: number): string;
  /** Ends the text and returns the rest of it. */
  finish(): string;
}

/** How to decode. */
export interface DecodeOptions {
  /** Whether to skip special tokens. Default false. */
  readonly skipSpecial?: boolean;
}

/**
 * Makes a tokenizer from a tokenizer.json. Its model may be BPE, Unigram or
 * WordLevel. Parts that are not implemented are refused by name, such as WordPiece
 * or the Precompiled normalizer of most published Unigram models.
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
 * @param label The file's name in errors.
 * @returns The tokenizer.
 * @throws {SyntaxError} If the text is not JSON, or not a tokenizer.
 */
export function parseTokenizer(
  json: string,
  label: string = "tokenizer.json",
): Tokenizer {
  let parts: Parts;
  try {
    parts = parseParts(JSON.parse(json), label);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${label} as it does not describe a tokenizer: ${
        (error as Error).message
      }`,
      { cause: error },
    );
  }
  const { added, model } = parts;
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  const stream = makeStreams(parts);
  return {
    encode: makeEncoder(parts),
    decode(ids, options): string {
      const { push, finish } = stream(options);
      return ids.map(push).join("") + finish();
    },
    stream,
    tokenId: (token) => addedIds.get(token) ?? model.ids.get(token),
    unknown: model.unknown,
    begin: parts.begin,
  };
}

/** The parts of a tokenizer. */
interface Parts {
  readonly added: readonly AddedToken[];
  readonly normalize: Normalize;
  readonly split: Split;
  readonly model: TokenModel;
  readonly decoder: ReturnType<typeof parseDecoder>;
  /** Ids that the post-processor puts before a text. */
  readonly begin: readonly number[];
}

function parseParts(
  description: Readonly<Record<string, unknown>>,
  label: string,
): Parts {
  const added = parseAddedTokens(description.added_tokens);
  const specials = new Set(
    added.filter(({ special }) => special).map(({ content }) => content),
  );
  const part = (name: string): Description | null =>
    (description[name] ?? null) as Description | null;
  const model = parseModel(part("model"), { specials, label });
  checkAddedIds(added, model);
  return {
    added,
    model,
    normalize: parseNormalizer(part("normalizer")),
    split: parsePreTokenizer(part("pre_tokenizer")),
    decoder: parseDecoder(part("decoder")),
    begin: beginOf(part("post_processor")),
  };
}

/** Checks that one token has one id, and one id one token. */
function checkAddedIds(
  added: readonly AddedToken[],
  { ids }: TokenModel,
): void {
  const tokens = new Map([...ids].map(([token, id]) => [id, token]));
  for (const { content, id } of added) {
    const other = tokens.get(id) ?? content;
    const otherId = ids.get(content) ?? id;
    if (other !== content || otherId !== id) {
      throw new TypeError(
        `the added token "${content}" must have an id of its own: current value is ${id}, and ${
          other !== content ? `"${other}"` : otherId
        } in the vocabulary`,
      );
    }
    tokens.set(id, content);
  }
}

/** Ids that a post-processor puts before a text. */
function beginOf(processor: Description | null): number[] {
  switch (processor?.type) {
    case "Sequence":
      return requiredParts(processor, "processors").toReversed()
        .flatMap(beginOf);
    case "TemplateProcessing": {
      const single = processor.single as readonly TemplateItem[];
      const special = processor.special_tokens as Readonly<
        Record<string, { readonly ids: readonly number[] }>
      >;
      const text = single.findIndex((item) => "Sequence" in item);
      return single.slice(0, text)
        .flatMap(({ SpecialToken }) => special[SpecialToken!.id].ids);
    }
    case "BertProcessing":
    case "RobertaProcessing":
      return [(processor.cls as readonly [string, number])[1]];
    case undefined:
    case "ByteLevel":
      return [];
    default:
      throw new TypeError(
        `"post_processor" must be of a type that is known: current type is ${
          JSON.stringify(processor!.type)
        }`,
      );
  }
}

/** An item of the post-processor's template: a token, or the text. */
interface TemplateItem {
  readonly Sequence?: unknown;
  readonly SpecialToken?: { readonly id: string };
}

function makeEncoder(
  { added, normalize, split, model }: Parts,
): Tokenizer["encode"] {
  const anywhere: Place = { first: false, goesOn: false };
  const asWritten = added.filter(({ normalized }) => !normalized);
  const asNormalized = added.filter(({ normalized }) => normalized);
  const cut = makeCutter(
    new Map(asWritten.map((token) => [token.content, token])),
  );
  const cutNormalized = makeCutter(
    new Map(
      asNormalized.map((token) => [normalize(token.content, anywhere), token]),
    ),
  );

  return (input, { goesOn = false } = {}) => {
    const pieces = typeof input === "string"
      ? [{ text: input, special: true }]
      : input;
    let begins = true;
    const ids: number[] = [];
    for (const section of cut(pieces)) {
      const place = { first: begins && !goesOn, goesOn: begins && goesOn };
      const parts = isAddedToken(section) ? [section] : cutNormalized(
        normalizePieces(section, (text) => normalize(text, place)),
      );
      for (const part of parts) {
        if (isAddedToken(part)) {
          ids.push(part.id);
          begins = false;
          continue;
        }
        const text = textOf(part);
        if (text === "") continue;
        const place = { first: begins && !goesOn, goesOn: begins && goesOn };
        for (const word of split(text, place)) {
          // A long text has more ids than a call takes arguments.
          for (const id of model.encode(word)) ids.push(id);
        }
        begins = false;
      }
    }
    return ids;
  };
}

/**
 * Normalises pieces as one text. The end of a piece in it is the length of the
 * normalised text of all pieces up to there.
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

function makeStreams(
  { added, model, normalize, decoder }: Parts,
): Tokenizer["stream"] {
  const tokens = new Map([...model.ids].map(([token, id]) => [id, token]));
  const special = new Set<number>();
  for (const token of added) {
    const { id, content } = token;
    const place = { first: false, goesOn: false };
    tokens.set(id, token.normalized ? normalize(content, place) : content);
    if (token.special) special.add(id);
  }
  return ({ skipSpecial = false } = {}) => {
    let certain = "";
    const take = (): string => {
      const text = certain;
      certain = "";
      return text;
    };
    const { push, finish } = decoder((text) => certain += text);
    return {
      push(id): string {
        const token = tokens.get(id);
        if (token !== undefined && !(skipSpecial && special.has(id))) {
          push(token);
        }
        return take();
      },
      finish(): string {
        finish();
        return take();
      },
    };
  };
}

// Added tokens: strings such as <image> or <|im_end|> that a tokenizer.json
// lists apart from its vocabulary and that become one id wherever they stand.
// They are found here and not by the npm package, because the text of a user
// must never become one. The rules are those of AddedVocabulary in the tokenizers
// library.

/** One entry of `added_tokens` in a tokenizer.json. */
interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** Its spelling. */
  readonly content: string;
  /** Whether it takes the whitespace before it. */
  readonly lstrip: boolean;
  /** Whether it takes the whitespace after it. */
  readonly rstrip: boolean;
  /** Whether it is searched for in the normalised text. */
  readonly normalized: boolean;
  /** Whether it is skipped in the text of an answer. */
  readonly special: boolean;
}

/** Pieces of text between added tokens, or one such token. */
type Section = readonly TextPiece[] | AddedToken;

/**
 * Reads `added_tokens`.
 *
 * @param json Its parsed content.
 * @returns The tokens in the file's order.
 * @throws {TypeError} If an entry is wrong, or must be a whole word.
 */
function parseAddedTokens(json: unknown): AddedToken[] {
  if (!Array.isArray(json)) {
    throw new TypeError('"added_tokens" must be a list');
  }
  return json.map((entry, i) => {
    const { id, content } = entry ?? {};
    if (!Number.isInteger(id) || typeof content !== "string" || !content) {
      throw new TypeError(`"added_tokens", item ${i}, has no id or no content`);
    }
    if (entry.single_word) {
      throw new TypeError(
        `added tokens must not be "single_word": "${content}"`,
      );
    }
    const special = entry.special === true;
    return {
      id,
      content,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
      normalized: entry.normalized ?? !special,
      special,
    };
  });
}

/** Cuts text at its tokens; where several match, at the longest. */
type Cutter = (pieces: readonly TextPiece[]) => Section[];

/**
 * Makes a function that cuts text at added tokens.
 *
 * @param tokens The tokens by the string to search for.
 * @returns The function. A token must lie within one special piece.
 */
function makeCutter(tokens: ReadonlyMap<string, AddedToken>): Cutter {
  if (tokens.size === 0) return (pieces) => [pieces];
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"))
      .join("|"),
    "gu",
  );
  return (pieces) => {
    const sections: Section[] = [];
    let open: TextPiece[] = [];
    const close = () => {
      if (open.length > 0) sections.push(open);
      open = [];
    };
    for (const piece of joinNeighbours(pieces)) {
      let end = 0;
      for (const match of piece.special ? piece.text.matchAll(pattern) : []) {
        open.push({ ...piece, text: piece.text.slice(end, match.index) });
        close();
        sections.push(tokens.get(match[0])!);
        end = match.index + match[0].length;
      }
      open.push({ ...piece, text: piece.text.slice(end) });
    }
    close();
    return stripAround(sections);
  };
}

/** Joins neighbours of one kind: a token may span two special pieces. */
function joinNeighbours(pieces: readonly TextPiece[]): TextPiece[] {
  const joined: TextPiece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last?.special === piece.special) {
      joined[joined.length - 1] = { ...last, text: last.text + piece.text };
    } else {
      joined.push(piece);
    }
  }
  return joined;
}

/** Removes the whitespace that tokens take. */
function stripAround(sections: Section[]): Section[] {
  return sections.map((section, i) => {
    if (isAddedToken(section)) return section;
    const [before, after] = [sections[i - 1], sections[i + 1]];
    let pieces = [...section];
    if (before && isAddedToken(before) && before.rstrip) {
      pieces = strip(pieces, /^\p{White_Space}+/u);
    }
    if (after && isAddedToken(after) && after.lstrip) {
      pieces = strip(pieces.reverse(), /\p{White_Space}+$/u).reverse();
    }
    return pieces;
  });
}

/** Removes a pattern from the first pieces, up to one that does not become empty. */
function strip(pieces: TextPiece[], pattern: RegExp): TextPiece[] {
  const stripped = [...pieces];
  for (const [i, piece] of pieces.entries()) {
    stripped[i] = { ...piece, text: piece.text.replace(pattern, "") };
    if (stripped[i].text !== "") break;
  }
  return stripped;
}

/** Tells the two kinds of section apart. */
function isAddedToken(section: Section): section is AddedToken {
  return "id" in section;
}

/** The text of pieces. */
function textOf(pieces: readonly TextPiece[]): string {
  return pieces.map(({ text }) => text).join("");
}
