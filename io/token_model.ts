// The model of a tokenizer.json: its vocabulary, and how words become ids, as the
// tokenizers library does it. The npm package @huggingface/tokenizers merges byte
// pairs. Unigram (the best path through pieces with scores) and WordLevel (whole
// words) are implemented here.

import { BPE } from "@huggingface/tokenizers";
import { type Description, oneOfTypes } from "./token_parts.ts";

/** A vocabulary, and an encoder of words. */
export interface TokenModel {
  /** The id of each token. */
  readonly ids: ReadonlyMap<string, number>;
  /** The id of all unknown words; undefined where there is none. */
  readonly unknown: number | undefined;
  /**
   * Ids of a word that is not empty.
   *
   * @throws {RangeError} If a part of it has no id and there is no unknown-word
   *   token.
   */
  encode(word: string): number[];
}

/** Options of {@linkcode parseModel}. */
export interface ModelOptions {
  /** Special tokens, which are never found in a text. */
  readonly specials: ReadonlySet<string>;
  /** The file's name in errors. */
  readonly label: string;
}

/**
 * Reads `model`.
 *
 * @param description Its parsed content.
 * @param options Special tokens, and the file's name.
 * @throws {TypeError} If a field is wrong.
 */
export function parseModel(
  description: Description | null,
  options: ModelOptions,
): TokenModel {
  const { vocab, merges }: Partial<Description> = description ?? {};
  if (typeof vocab !== "object" || vocab === null) {
    throw new TypeError('"model" must have a "vocab", an object of ids');
  }
  // Older files have no type.
  const type = description!.type ??
    (Array.isArray(vocab) ? "Unigram" : merges ? "BPE" : "WordLevel");
  const model = { ...description, type };
  return oneOfTypes("model", MODELS, model)(model, options);
}

const MODELS: Readonly<
  Record<string, (model: Description, options: ModelOptions) => TokenModel>
> = {
  "BPE": parseBytePairs,
  "Unigram": parsePieces,
  "WordLevel": parseWords,
};

/** WordLevel: whole words. A word spelled like a special token is unknown. */
function parseWords(
  { vocab, unk_token: unknown }: Description,
  { specials, label }: ModelOptions,
): TokenModel {
  const ids = readIds(vocab);
  const unknownId = ids.get(unknown as string);
  return {
    ids,
    unknown: unknownId,
    encode(word): number[] {
      const id = specials.has(word) ? unknownId : ids.get(word) ?? unknownId;
      if (id === undefined) throw noIdFor(word, label);
      return [id];
    },
  };
}

/** BPE: byte pairs. */
function parseBytePairs(
  model: Description,
  { specials, label }: ModelOptions,
): TokenModel {
  const ids = readIds(model.vocab);
  checkMerges(model.merges, ids);
  checkUnused(model, [
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
  ]);
  if (model.byte_fallback) checkByteTokens(ids);
  const pairs = new BPE(
    {
      ...model,
      // With this option a word of the vocabulary is not split.
      vocab: Object.fromEntries(
        [...ids].filter(([token]) => !specials.has(token)),
      ),
    } as unknown as ConstructorParameters<typeof BPE>[0],
  );
  const unknown = model.unk_token;
  const unknownId = ids.get(unknown as string);
  const dropsUnknown = typeof unknown !== "string" && !model.byte_fallback;
  const known = (word: string): string =>
    !dropsUnknown || ids.has(word)
      ? word
      : Array.from(word).filter((character) => ids.has(character)).join("");
  return {
    ids,
    unknown: unknownId,
    encode: (word) =>
      // Pairs are merged across unknown characters that are skipped.
      pairs.encode([known(word)]).map((token) => {
        const id = ids.get(token);
        if (id === undefined) throw noIdFor(word, label);
        return id;
      }).filter((id, i, all) =>
        !(model.fuse_unk && id === unknownId && all[i - 1] === unknownId)
      ),
  };
}

/** Unigram: pieces with scores. */
function parsePieces(
  { vocab, unk_id: unknownId, byte_fallback: byteFallback }: Description,
  { specials, label }: ModelOptions,
): TokenModel {
  const entries = readPieces(vocab);
  const unknown = readUnknownId(unknownId, entries.length);
  const ids = new Map(entries.map(([piece], id) => [piece, id]));
  // A text that spells a special token or a byte token does not become it.
  const found = new Map(
    [...ids].filter(([piece]) =>
      !specials.has(piece) && !(byteFallback && BYTE_TOKEN.test(piece))
    ),
  );
  const findPath = makePathFinder(found, entries, (character) => {
    if (unknown === null) throw noIdFor(character, label);
    return unknown;
  });
  return {
    ids,
    unknown: unknown ?? undefined,
    encode: (word) =>
      fusePieces(findPath(word), unknown).flatMap(({ text, id }) => {
        if (id !== unknown) return [id];
        const known = found.get(text);
        if (known !== undefined) return [known];
        const bytes = byteFallback === true ? byteIds(text, ids) : null;
        return bytes ?? [id];
      }),
  };
}

/** How much less likely an unknown character is than the unlikeliest piece. */
const UNKNOWN_PENALTY = 10;

/** A part of a word, and its id. */
interface Piece {
  readonly text: string;
  readonly id: number;
}

/**
 * Makes a function that cuts a word into the pieces with the highest sum of
 * scores (Viterbi). Among equal sums the longest last piece wins.
 */
function makePathFinder(
  found: ReadonlyMap<string, number>,
  entries: readonly (readonly [string, number])[],
  unknownId: (character: string) => number,
): (word: string) => Piece[] {
  let longest = 1;
  for (const piece of found.keys()) {
    longest = Math.max(longest, Array.from(piece).length);
  }
  const unknownScore = entries.reduce(
    (least, [, score]) => Math.min(least, score),
    Infinity,
  ) - UNKNOWN_PENALTY;

  return (word) => {
    const characters = Array.from(word);
    const C = characters.length;
    /** For each end 0 to C, the best sum and its last piece. */
    const sums = new Float64Array(C + 1).fill(-Infinity);
    const last = new Array<Piece | undefined>(C + 1);
    sums[0] = 0;
    for (let start = 0; start < C; start++) {
      const reach = (text: string, length: number, id?: number): void => {
        const end = start + length;
        const score = id === undefined ? unknownScore : entries[id][1];
        const sum = sums[start] + score;
        if (last[end] === undefined || sum > sums[end]) {
          sums[end] = sum;
          last[end] = { text, id: id ?? unknownId(text) };
        }
      };
      let text = "";
      for (let n = 1; n <= longest && start + n <= C; n++) {
        text += characters[start + n - 1];
        const id = found.get(text);
        if (id !== undefined || n === 1) reach(text, n, id);
      }
    }
    const path: Piece[] = [];
    for (let end = C; end > 0;) {
      const piece = last[end]!;
      path.push(piece);
      end -= Array.from(piece.text).length;
    }
    return path.reverse();
  };
}

/** Joins consecutive unknown pieces. */
function fusePieces(
  pieces: readonly Piece[],
  unknown: number | null,
): Piece[] {
  const fused: Piece[] = [];
  for (const { text, id } of pieces) {
    const before = fused.at(-1);
    if (before !== undefined && before.id === unknown && id === unknown) {
      fused[fused.length - 1] = { text: before.text + text, id };
    } else {
      fused.push({ text, id });
    }
  }
  return fused;
}

/** The form of a token that stands for a byte. */
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

const byteToken = (byte: number): string =>
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

/** Ids of the bytes of a text; null if a byte has no id. */
function byteIds(
  text: string,
  ids: ReadonlyMap<string, number>,
): number[] | null {
  const found = Array.from(
    new TextEncoder().encode(text),
    (byte) => ids.get(byteToken(byte)),
  );
  return found.includes(undefined) ? null : found as number[];
}

function noIdFor(part: string, label: string): RangeError {
  return new RangeError(
    `Cannot encode ${
      JSON.stringify(part)
    } as ${label} has no id for it and no unknown-word token`,
  );
}

function readIds(vocab: unknown): ReadonlyMap<string, number> {
  if (Array.isArray(vocab)) {
    throw new TypeError('"model" must have a "vocab", an object of ids');
  }
  const ids = new Map(Object.entries(vocab as object));
  for (const [token, id] of ids) {
    if (!Number.isInteger(id) || id < 0) {
      throw new TypeError(
        `the id of ${
          JSON.stringify(token)
        } must be an integer >= 0: current value is ${JSON.stringify(id)}`,
      );
    }
  }
  return ids;
}

function readPieces(vocab: unknown): readonly (readonly [string, number])[] {
  if (!Array.isArray(vocab)) {
    throw new TypeError(
      '"model" of type Unigram must have a "vocab", a list of pieces with scores',
    );
  }
  vocab.forEach((entry, i) => {
    if (typeof entry?.[0] !== "string" || typeof entry[1] !== "number") {
      throw new TypeError(
        `"vocab", item ${i}, must be a piece and its score: current value is ${
          JSON.stringify(entry)
        }`,
      );
    }
  });
  return vocab;
}

function readUnknownId(id: unknown, size: number): number | null {
  if (id === null || id === undefined) return null;
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= size) {
    throw new TypeError(
      `"unk_id" must be the place of a piece in "vocab": current value is ${
        JSON.stringify(id)
      }`,
    );
  }
  return id as number;
}

/**
 * A merge: two tokens that make another one, in a list or with a space between
 * them.
 */
function checkMerges(merges: unknown, ids: ReadonlyMap<string, number>): void {
  if (!Array.isArray(merges)) {
    throw new TypeError('"model" must have "merges", a list of pairs');
  }
  merges.forEach((merge, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (
      !Array.isArray(pair) || pair.length !== 2 ||
      ![...pair, pair.join("")].every((token) => ids.has(token))
    ) {
      throw new TypeError(
        `"merges", item ${i}, must be two tokens of the vocabulary, and together a third: current value is ${
          JSON.stringify(merge)
        }`,
      );
    }
  });
}

/** Refuses options that would change ids and are not implemented. */
function checkUnused(model: Description, fields: readonly string[]): void {
  for (const field of fields) {
    if (model[field]) {
      throw new TypeError(
        `"${field}" of "model" must be null: current value is ${
          JSON.stringify(model[field])
        }`,
      );
    }
  }
}

function checkByteTokens(ids: ReadonlyMap<string, number>): void {
  for (let byte = 0; byte < 256; byte++) {
    if (!ids.has(byteToken(byte))) {
      throw new TypeError(
        `"byte_fallback" needs a token for each byte: there is no ${
          byteToken(byte)
        }`,
      );
    }
  }
}
