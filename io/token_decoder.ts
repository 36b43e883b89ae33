// The decoder of a tokenizer.json: turns tokens into text as the tokenizers
// library does it. It works on a stream, so that an answer can be printed while it
// grows: text comes out as soon as no later token can change it.

import {
  compilePattern,
  type Description,
  oneOfTypes,
  requiredCount,
  requiredParts,
  requiredText,
} from "./token_parts.ts";

/** Tokens go in, and text comes out as soon as it is certain. */
export interface DecoderStream {
  /** Takes the next token, spelled as in the vocabulary. */
  push(token: string): void;
  /** Ends the text. */
  finish(): void;
}

/**
 * The consumer of a step's output. A token may come in parts, because one step
 * may join thousands of tokens; `ends` marks the last part.
 */
interface Next {
  take(text: string, ends: boolean): void;
  close(): void;
}

type Step = (next: Next) => Next;

/**
 * Reads `decoder`.
 *
 * @param description Its parsed content; null puts spaces between tokens.
 * @returns A function that starts decoding; its argument takes the text.
 * @throws {TypeError} If it is not a decoder, or of an unknown type.
 */
export function parseDecoder(
  description: Description | null,
): (give: (text: string) => void) => DecoderStream {
  const steps = description === null
    ? [mapTokens((token, i) => i === 0 ? token : ` ${token}`)]
    : parseSteps(description);
  return (give) => {
    const end: Next = { take: give, close: () => {} };
    const first = steps.reduceRight((next, step) => step(next), end);
    return {
      push: (token) => first.take(token, true),
      finish: () => first.close(),
    };
  };
}

function parseSteps(description: Description): Step[] {
  if (description.type === "Sequence") {
    return requiredParts(description, "decoders").flatMap(parseSteps);
  }
  return [oneOfTypes("decoder", STEPS, description)(description)];
}

const STEPS: Readonly<Record<string, (part: Description) => Step>> = {
  "ByteFallback": () => joinByteTokens,
  "ByteLevel": () => joinBytes,
  "Fuse": () => fuse,
  "Metaspace": (part) => {
    const mark = requiredText({ replacement: "▁", ...part }, "replacement");
    return mapTokens((token, i) =>
      token.replaceAll(
        mark,
        i === 0 && part.prepend_scheme !== "never" ? "" : " ",
      )
    );
  },
  "Replace": (part) => {
    const pattern = compilePattern(part.pattern);
    const content = requiredText(part, "content");
    return mapTokens((token) => token.replaceAll(pattern, () => content));
  },
  "Strip": (part) =>
    strip(
      requiredText(part, "content"),
      requiredCount(part, "start"),
      requiredCount(part, "stop"),
    ),
};

/** Changes tokens one by one, each after its parts are joined. */
function mapTokens(change: (token: string, i: number) => string): Step {
  return (next) => {
    let open = "";
    let count = 0;
    return {
      take(text, ends): void {
        open += text;
        if (!ends) return;
        next.take(change(open, count), true);
        open = "";
        count++;
      },
      close: () => next.close(),
    };
  };
}

/** Joins the parts of each token. */
const wholeTokens: Step = mapTokens((token) => token);

/** Joins all tokens to one. */
const fuse: Step = (next) => ({
  take: (text) => next.take(text, false),
  close(): void {
    next.take("", true);
    next.close();
  },
});

/**
 * Removes the character `content` at most `start` times from the beginning of a
 * token and at most `stop` times from its end.
 */
function strip(content: string, start: number, stop: number): Step {
  return (next) => {
    let left = start;
    /** Occurrences of `content` that may be the end of the token. */
    let held = 0;
    return {
      take(text, ends): void {
        let rest = text;
        while (left > 0 && rest.startsWith(content)) {
          rest = rest.slice(content.length);
          left--;
        }
        if (rest !== "") left = 0;
        rest = content.repeat(held) + rest;
        held = 0;
        while (held < stop && rest.endsWith(content)) {
          rest = rest.slice(0, -content.length);
          held++;
        }
        next.take(rest, ends);
        if (ends) [left, held] = [start, 0];
      },
      close: () => next.close(),
    };
  };
}

/** The characters for bytes 0 to 255 in byte-level tokens, as in GPT-2. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  // Bytes that are printable in Latin-1 stand for themselves.
  const printable = /[!-~¡-¬®-ÿ]/;
  let others = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte);
    return printable.test(character)
      ? character
      : String.fromCharCode(others++);
  });
}

const BYTES: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** Joins byte-level tokens to one. Any other token stays as it is. */
const joinBytes: Step = (next) => {
  const encoder = new TextEncoder();
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  return wholeTokens({
    take(token): void {
      const bytes = Array.from(token, (character) => BYTES.get(character));
      const all = bytes.includes(undefined)
        ? encoder.encode(token)
        : Uint8Array.from(bytes as number[]);
      next.take(utf8.decode(all, { stream: true }), false);
    },
    close(): void {
      next.take(utf8.decode(), true);
      next.close();
    },
  });
};

/**
 * Joins a run of byte tokens such as `<0x0A>` to one token. If the bytes of a run
 * are not UTF-8, each becomes U+FFFD. So a run is certain at its end, or as soon
 * as it is invalid.
 */
const joinByteTokens: Step = (next) => {
  let run: ByteRun | null = null;
  const endRun = (): void => {
    run?.end();
    run = null;
  };
  return wholeTokens({
    take(token): void {
      const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
      if (byte) {
        run ??= startRun(next);
        run.add(parseInt(byte[1], 16));
      } else {
        endRun();
        next.take(token, true);
      }
    },
    close(): void {
      endRun();
      next.close();
    },
  });
};

interface ByteRun {
  add(byte: number): void;
  end(): void;
}

function startRun(next: Next): ByteRun {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  let bytes = 0;
  let broken = false;
  /** Decodes further bytes; the first error settles the whole run. */
  const decode = (run: () => string): void => {
    try {
      text += run();
    } catch {
      broken = true;
      for (let i = 0; i < bytes; i++) next.take("\uFFFD", true);
    }
  };
  return {
    add(byte): void {
      bytes++;
      if (broken) next.take("\uFFFD", true);
      else decode(() => utf8.decode(Uint8Array.of(byte), { stream: true }));
    },
    end(): void {
      if (!broken) decode(() => utf8.decode());
      if (!broken) next.take(text, true);
    },
  };
}
