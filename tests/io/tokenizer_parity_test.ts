// Tokenizers of every published kind against the tokenizers library: fixtures
// from make_text.py.

import { assert, assertEquals } from "@std/assert";
import type { TextPiece } from "../../io/mod.ts";
import { KINDS, smallTokenizer } from "../_text.ts";
import pieces from "../fixtures/text_pieces.json" with { type: "json" };
import record from "../fixtures/text_strings.json" with { type: "json" };

const { strings, specials: [firstSpecial, specialCount] } = record;

/** A template with users' words between its parts. */
function fillTemplate(
  template: readonly string[],
  words: readonly string[],
): TextPiece[] {
  return template.flatMap((text, i) =>
    i < words.length
      ? [{ text, special: true }, { text: words[i], special: false }]
      : [{ text, special: true }]
  );
}

for (const kind of KINDS) {
  const tokenizer = smallTokenizer(kind);
  const expected = record[kind];

  Deno.test(`${kind}: encode() gives the library's ids of ${strings.length} strings`, () => {
    assert(strings.length >= 200);
    for (const [i, text] of strings.entries()) {
      assertEquals(tokenizer.encode(text), expected.ids[i], text);
    }
  });

  Deno.test(`${kind}: decode() gives the library's text`, () => {
    for (const [i, ids] of expected.ids.entries()) {
      assertEquals(tokenizer.decode(ids), expected.decoded[i]);
    }
  });

  // Version 0.23 of the library does not leave out special tokens that are
  // normalised; earlier ones do.
  if (kind !== "llama_old") {
    Deno.test(`${kind}: decode() leaves special tokens out like the library`, () => {
      for (const [i, text] of expected.skipped.entries()) {
        const ids = expected.ids[firstSpecial + i];
        assertEquals(tokenizer.decode(ids, { skipSpecial: true }), text);
      }
    });
  }

  Deno.test(`${kind}: decode() gives the library's text of ids that make no sense`, () => {
    for (const [i, ids] of expected.drawn.entries()) {
      assertEquals(tokenizer.decode(ids), expected.drawnDecoded[i]);
    }
  });

  Deno.test(`${kind}: encode() finds added tokens in a template, not in users' words`, () => {
    const { template, ids } = pieces[kind];
    for (const [i, expectedIds] of ids.entries()) {
      const words = [strings[pieces.users[i]], strings[pieces.users[i + 1]]];
      const filled = fillTemplate(template, words);
      assertEquals(tokenizer.encode(filled), expectedIds, words.join(" | "));
    }
  });

  Deno.test(`${kind}: encode() gives users' words the ids of the whole string when they hold no added token`, () => {
    const { template } = pieces[kind];
    const plain = strings.filter((text) => !text.includes("<"));
    assert(plain.length > 100);
    for (const text of plain) {
      const filled = fillTemplate(template, [text, text]);
      const whole = filled.map((piece) => piece.text).join("");
      assertEquals(tokenizer.encode(filled), tokenizer.encode(whole), text);
    }
  });

  Deno.test(`${kind}: begin is what the library puts before a prompt`, () => {
    assertEquals(tokenizer.begin, expected.begin);
  });
}

Deno.test("encode() knows where pieces end in the normalised text", () => {
  const tokenizer = smallTokenizer("llama_old");
  // Normalising puts a space in front of the token.
  const ids = tokenizer.encode([
    { text: "<s>", special: true },
    { text: "a", special: false },
  ]);
  assertEquals(ids, tokenizer.encode("<s>a"));
  assertEquals(ids[0], tokenizer.tokenId("<s>"));
});

Deno.test("decode() leaves out special tokens that are normalised", () => {
  const tokenizer = smallTokenizer("llama_old");
  const ids = tokenizer.encode("<s> a </s>");
  assertEquals(tokenizer.decode(ids, { skipSpecial: true }), "a");
});

Deno.test("decode() takes bytes that spell a token for text", () => {
  const { decode, tokenId } = smallTokenizer("llama");
  for (const text of ["<0x0A>", "▁a▁", "<s>"]) {
    const bytes = Array.from(
      new TextEncoder().encode(text),
      (byte) =>
        tokenId(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)!,
    );
    assertEquals(decode(bytes), text);
    assertEquals(decode(bytes, { skipSpecial: true }), text);
  }
});

Deno.test("a user's <0x0A> comes back as it was typed", () => {
  for (const kind of KINDS) {
    const { encode, decode } = smallTokenizer(kind);
    for (const text of ["<0x0A>", "a <0xE2><0x96><0x81>\n"]) {
      assertEquals(decode(encode([{ text, special: false }])), text, kind);
    }
  }
});

Deno.test("the fixture has special tokens for every kind", () => {
  const texts = strings.slice(firstSpecial, firstSpecial + specialCount);
  for (const kind of KINDS) {
    const { encode } = smallTokenizer(kind);
    const differing = texts.filter((text) =>
      String(encode(text)) !== String(encode([{ text, special: false }]))
    );
    assert(differing.length >= 5, `${kind}: ${differing.length}`);
  }
});
