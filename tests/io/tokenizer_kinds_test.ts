// Tokenizers of every make-up against the tokenizers library: fixtures from
// make_tokenizers.py, in which each part that is supported appears.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseTokenizer } from "../../io/tokenizer.ts";
import record from "../fixtures/tokenizers.json" with { type: "json" };

const { strings, tokenizers } = record;

for (const [name, { json, ids, decoded }] of Object.entries(tokenizers)) {
  const { encode, decode } = parseTokenizer(JSON.stringify(json), name);

  Deno.test(`${name}: encode() gives the library's ids of ${strings.length} strings`, () => {
    for (const [i, text] of strings.entries()) {
      const expected = ids[i];
      if (expected === null) {
        assertThrows(() => encode(text), RangeError, "no unknown-word token");
      } else assertEquals(encode(text), expected, JSON.stringify(text));
    }
  });

  Deno.test(`${name}: decode() gives the library's text of ids that make no sense`, () => {
    let compared = 0;
    for (const [ids, text] of decoded as [number[], string | null][]) {
      if (text === null) continue;
      assertEquals(decode(ids), text, String(ids));
      compared++;
    }
    assert(compared > 15);
  });
}

Deno.test("the fixture has every part that is not refused", () => {
  const text = JSON.stringify(tokenizers);
  const types = [
    ...["BPE", "Unigram", "WordLevel"],
    ...["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace"],
    ...["Strip", "StripAccents", "Sequence"],
    ...["ByteLevel", "Digits", "Metaspace", "Punctuation", "Split"],
    ...["Whitespace", "WhitespaceSplit"],
    ...["ByteFallback", "Fuse"],
  ];
  for (const type of types) assert(text.includes(`"type":"${type}"`), type);
});

/** A tokenizer.json of pieces with scores. */
function pieces(
  vocab: readonly (readonly [string, number])[],
  parts: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "Metaspace" },
    post_processor: null,
    decoder: { type: "Metaspace" },
    model: { type: "Unigram", unk_id: 0, vocab, byte_fallback: false },
    ...parts,
  });
}

Deno.test("encode() joins unknown characters of pieces to one token", () => {
  const { encode } = parseTokenizer(
    pieces([["<unk>", 0], ["▁", -1], ["a", -1]]),
  );
  assertEquals(encode("azza"), [1, 2, 0, 2]);
  assertEquals(encode("zz"), [1, 0]);
});

Deno.test("encode() takes the pieces with the highest sum of scores", () => {
  const { encode } = parseTokenizer(
    pieces([
      ["<unk>", 0],
      ["▁", -1],
      ["a", -2],
      ["b", -2],
      ["c", -2],
      ["ab", -3],
      ["bc", -2.5],
    ]),
  );
  // ab + c is -5, a + bc -4.5, and a + b + c -6.
  assertEquals(encode("abc"), [1, 2, 6]);
});

Deno.test("encode() writes unknown characters of pieces in bytes", () => {
  const bytes = Array.from(
    { length: 256 },
    (_, byte): [string, number] => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      0,
    ],
  );
  const vocab = [["<unk>", 0], ["▁", -1], ["a", -1]] as [string, number][];
  const { encode, decode } = parseTokenizer(
    pieces([vocab[0], vocab[1], ...bytes, vocab[2]], {
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { String: "▁" }, content: " " },
          { type: "ByteFallback" },
          { type: "Fuse" },
        ],
      },
      model: {
        type: "Unigram",
        unk_id: 0,
        vocab: [vocab[0], vocab[1], ...bytes, vocab[2]],
        byte_fallback: true,
      },
    }),
  );
  assertEquals(encode("é"), [1, 2 + 0xc3, 2 + 0xa9]);
  // The library would take the byte's token here, and write a line break.
  assertEquals(decode(encode("<0x0A>")), " <0x0A>");
});

Deno.test("encode() finds no special token among the pieces of a user's words", () => {
  const vocab = [["<unk>", 0], ["<s>", 0], ["▁", -1], ["s", -1]] as const;
  const { encode } = parseTokenizer(pieces(vocab, {
    added_tokens: [{ id: 1, content: "<s>", special: true }],
  }));
  assertEquals(encode("<s>"), [1]);
  assertEquals(encode([{ text: "<s>", special: false }]), [2, 0, 3, 0]);
});

Deno.test("parseTokenizer() refuses what it cannot do like the library", () => {
  const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
  const cases: [parts: Record<string, unknown>, message: string][] = [
    [{ model: { type: "WordPiece", vocab: { a: 0 } } }, 'the type of "model"'],
    [
      { normalizer: { type: "Precompiled" } },
      'the type of "normalizer" must be Sequence, NFC',
    ],
    [
      {
        normalizer: {
          type: "Sequence",
          normalizers: [{ type: "BertNormalizer" }],
        },
      },
      'current value is "BertNormalizer"',
    ],
    [{ pre_tokenizer: { type: "UnicodeScripts" } }, '"pre_tokenizer"'],
    [{ decoder: { type: "CTC" } }, 'the type of "decoder"'],
    [{ post_processor: { type: "Odd" } }, '"post_processor"'],
    [
      { model: { ...model, dropout: 0.1 } },
      '"dropout" of "model" must be null: current value is 0.1',
    ],
    [
      { model: { ...model, continuing_subword_prefix: "##" } },
      '"continuing_subword_prefix" of "model" must be null',
    ],
    [
      { model: { ...model, end_of_word_suffix: "</w>" } },
      '"end_of_word_suffix" of "model" must be null',
    ],
    [
      { model: { ...model, byte_fallback: true } },
      '"byte_fallback" needs a token for each byte: there is no <0x00>',
    ],
    [
      { model: { type: "Unigram", unk_id: 3, vocab: [["a", 0]] } },
      '"unk_id" must be the place of a piece in "vocab": current value is 3',
    ],
    [
      { model: { type: "Unigram", unk_id: 0, vocab: ["a"] } },
      '"vocab", item 0, must be a piece and its score: current value is "a"',
    ],
    [
      { added_tokens: [{ id: 0, content: "<s>" }] },
      'the added token "<s>" must have an id of its own: current value is 0, and "a" in the vocabulary',
    ],
    [
      { added_tokens: [{ id: 7, content: "a" }] },
      'the added token "a" must have an id of its own: current value is 7, and 0 in the vocabulary',
    ],
    [
      { pre_tokenizer: { type: "Split", pattern: "a", behavior: "Removed" } },
      'a "pattern" must have a String or a Regex: current value is "a"',
    ],
    [
      {
        pre_tokenizer: {
          type: "Split",
          pattern: { String: "a" },
          behavior: "Odd",
        },
      },
      'a "behavior" must be one of Removed, Isolated, Contiguous, MergedWithPrevious, MergedWithNext: current value is "Odd"',
    ],
  ];
  for (
    const [part, message] of [
      [{ type: "Strip", content: " " }, '"start" of Strip must be an integer'],
      [
        { type: "Replace", pattern: { String: "a" } },
        '"content" of Replace must be a text: current value is undefined',
      ],
      [
        { type: "Sequence" },
        '"decoders" of Sequence must be a list of parts: current value is undefined',
      ],
    ] as const
  ) cases.push([{ decoder: part }, message]);
  for (const [parts, message] of cases) {
    const json = pieces([], { model, ...parts });
    assertThrows(
      () => parseTokenizer(json, "a/tokenizer.json"),
      SyntaxError,
      message,
    );
  }
});
