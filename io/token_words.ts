// From text to the words that a tokenizer's model sees: the normalizer and the
// pre-tokenizer of a tokenizer.json, as the tokenizers library applies them.
// Every pre-tokenizer cuts text at a pattern. Some also change the parts.

import { BYTE_CHARACTERS } from "./token_decoder.ts";
import {
  compilePattern,
  type Description,
  oneOfTypes,
  requiredParts,
  requiredText,
} from "./token_parts.ts";

/** The position of a text, for steps that put a prefix before it. */
export interface Place {
  /** Whether it begins a whole text. */
  readonly first: boolean;
  /** Whether other text comes before it, so that it gets no prefix. */
  readonly goesOn: boolean;
}

/** Changes a text before it is cut into words. */
export type Normalize = (text: string, place: Place) => string;

/** Cuts a text into words. */
export type Split = (text: string, place: Place) => string[];

/**
 * Reads `normalizer`.
 *
 * @param description Its parsed content; null changes nothing.
 * @throws {TypeError} If it is not a normalizer, or of an unknown type.
 */
export function parseNormalizer(description: Description | null): Normalize {
  if (description === null) return (text) => text;
  if (description.type === "Sequence") {
    const steps = requiredParts(description, "normalizers")
      .map(parseNormalizer);
    return (text, place) =>
      steps.reduce((text, normalize) => normalize(text, place), text);
  }
  return oneOfTypes("normalizer", NORMALIZERS, description)(description);
}

const NORMALIZERS: Readonly<Record<string, (part: Description) => Normalize>> =
  {
    "NFC": () => (text) => text.normalize("NFC"),
    "NFD": () => (text) => text.normalize("NFD"),
    "NFKC": () => (text) => text.normalize("NFKC"),
    "NFKD": () => (text) => text.normalize("NFKD"),
    // Characters one by one: the library has no final sigma.
    "Lowercase": () => (text) =>
      Array.from(text, (character) => character.toLowerCase()).join(""),
    "Prepend": (part) => {
      const prepend = requiredText(part, "prepend");
      return (text, { goesOn }) =>
        text === "" || goesOn ? text : prepend + text;
    },
    "Replace": (part) => {
      const pattern = compilePattern(part.pattern);
      const content = requiredText(part, "content");
      return (text) => text.replaceAll(pattern, () => content);
    },
    "Strip": ({ strip_left: left, strip_right: right }) => (text) => {
      const begun = left ? text.replace(/^\p{White_Space}+/u, "") : text;
      return right ? begun.replace(/\p{White_Space}+$/u, "") : begun;
    },
    "StripAccents": () => (text) => text.replaceAll(/\p{M}/gu, ""),
  };

/**
 * Reads `pre_tokenizer`.
 *
 * @param description Its parsed content; null keeps a text as one word.
 * @throws {TypeError} If it is not a pre-tokenizer, or of an unknown type.
 */
export function parsePreTokenizer(description: Description | null): Split {
  const split = description === null
    ? (word: Word) => [word]
    : parseSplitter(description);
  return (text, place) => split({ text, ...place }).map(({ text }) => text);
}

/** A part of a text that may be cut further. */
interface Word extends Place {
  readonly text: string;
}

type Splitter = (word: Word) => Word[];

function parseSplitter(description: Description): Splitter {
  if (description.type === "Sequence") {
    const steps = requiredParts(description, "pretokenizers")
      .map(parseSplitter);
    return (word) =>
      steps.reduce((words, split) => words.flatMap(split), [word]);
  }
  return oneOfTypes("pre_tokenizer", SPLITTERS, description)(description);
}

const GPT2_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
/** Words, and signs between them; the library's \w. */
const WORDS_AND_SIGNS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

const SPLITTERS: Readonly<Record<string, (part: Description) => Splitter>> = {
  "ByteLevel": (
    { add_prefix_space: spaced = true, use_regex: cuts = true },
  ) => {
    const cut = cuts ? cutAt(GPT2_WORDS, "Isolated") : (word: Word) => [word];
    return (word) =>
      cut(spaced ? startWith(" ", word) : word)
        .map((part) => ({ ...part, text: toByteCharacters(part.text) }));
  },
  "Digits": ({ individual_digits: single }) =>
    cutAt(/\p{N}/gu, single ? "Isolated" : "Contiguous"),
  "Metaspace": parseMetaspace,
  "Punctuation": ({ behavior = "Isolated" }) =>
    cutAt(/[\p{P}!-/:-@[-`{-~]/gu, behavior),
  "Split": ({ pattern, behavior, invert }) =>
    cutAt(compilePattern(pattern), behavior, invert === true),
  "Whitespace": () => cutAt(WORDS_AND_SIGNS, "Removed", true),
  "WhitespaceSplit": () => cutAt(/\p{White_Space}/gu, "Removed"),
};

function parseMetaspace(part: Description): Splitter {
  const { prepend_scheme: scheme = "always", split = true } = part;
  const mark = requiredText({ replacement: "▁", ...part }, "replacement");
  const cut = split
    ? cutAt(compilePattern({ String: mark }), "MergedWithNext")
    : (word: Word) => [word];
  return (word) => {
    const marked = { ...word, text: word.text.replaceAll(" ", mark) };
    const begins = scheme === "always" || (scheme === "first" && word.first);
    return cut(begins ? startWith(mark, marked) : marked);
  };
}

/** Puts a prefix before a text that lacks it and has no text before it. */
function startWith(prefix: string, word: Word): Word {
  return word.goesOn || word.text.startsWith(prefix)
    ? word
    : { ...word, text: prefix + word.text };
}

function toByteCharacters(text: string): string {
  return Array.from(
    new TextEncoder().encode(text),
    (byte) => BYTE_CHARACTERS[byte],
  ).join("");
}

/** A part of a text, and whether the pattern matches it. */
interface Part {
  readonly text: string;
  readonly matches: boolean;
}

/** How matching parts are treated, by the library's names. */
const BEHAVIORS: Readonly<Record<string, (parts: readonly Part[]) => Part[]>> =
  {
    "Removed": (parts) =>
      parts.map((part) => part.matches ? { ...part, text: "" } : part),
    "Isolated": (parts) => [...parts],
    "Contiguous": (parts) =>
      join(parts, (part, last) => part.matches === last.matches),
    "MergedWithPrevious": (parts) =>
      join(parts, (part, last) => part.matches && !last.matches),
    "MergedWithNext": (parts) =>
      join(parts, (part, last) => last.matches && !part.matches),
  };

/** Joins each part to the one before it where `joins` is true. */
function join(
  parts: readonly Part[],
  joins: (part: Part, last: Part) => boolean,
): Part[] {
  const joined: Part[] = [];
  parts.forEach((part, i) => {
    const before = joined.at(-1);
    if (before && joins(part, parts[i - 1])) {
      joined[joined.length - 1] = { ...before, text: before.text + part.text };
    } else {
      joined.push(part);
    }
  });
  return joined;
}

/**
 * Cuts at a pattern.
 *
 * @param invert Whether the parts between matches count as matches.
 */
function cutAt(pattern: RegExp, behavior: unknown, invert = false): Splitter {
  const arrange = oneOfBehaviors(behavior);
  return (word) => {
    const parts: Part[] = [];
    let end = 0;
    for (const { 0: match, index } of word.text.matchAll(pattern)) {
      if (end < index) {
        parts.push({ text: word.text.slice(end, index), matches: invert });
      }
      parts.push({ text: match, matches: !invert });
      end = index + match.length;
    }
    if (end < word.text.length) {
      parts.push({ text: word.text.slice(end), matches: invert });
    }
    return arrange(parts)
      // The first part may be one that is removed.
      .map(({ text }, i): Word => {
        const begins = i === 0;
        return {
          text,
          first: word.first && begins,
          goesOn: word.goesOn && begins,
        };
      })
      .filter(({ text }) => text !== "");
  };
}

function oneOfBehaviors(behavior: unknown): (parts: readonly Part[]) => Part[] {
  if (!Object.hasOwn(BEHAVIORS, behavior as string)) {
    throw new TypeError(
      `a "behavior" must be one of ${
        Object.keys(BEHAVIORS).join(", ")
      }: current value is ${JSON.stringify(behavior)}`,
    );
  }
  return BEHAVIORS[behavior as string];
}
