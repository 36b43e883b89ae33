import { assertEquals, assertThrows } from "@std/assert";
import { parseTokenizer } from "../../io/tokenizer.ts";

const WORDS = [
  "<pad>",
  "<bos>",
  "<eos>",
  "<unk>",
  "<image>",
  "what",
  "color",
  "?",
];

/** A tokenizer.json as the tokenizers library writes it for a word-level model. */
function wordLevel(changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: WORDS.slice(0, 5).map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "<bos>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
      ],
      pair: [{ Sequence: { id: "A", type_id: 0 } }],
      special_tokens: {
        "<bos>": { id: "<bos>", ids: [1], tokens: ["<bos>"] },
      },
    },
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
      unk_token: "<unk>",
    },
    ...changes,
  });
}

Deno.test("encode() gives the ids of words and adds no special token", () => {
  const tokenizer = parseTokenizer(wordLevel());
  assertEquals(tokenizer.encode("what color ?"), [5, 6, 7]);
  assertEquals(tokenizer.encode("  what\n?  "), [5, 7]);
  assertEquals(tokenizer.encode(""), []);
});

Deno.test("encode() keeps special tokens that stand in the text", () => {
  assertEquals(
    parseTokenizer(wordLevel()).encode("<bos><image><image> what"),
    [1, 4, 4, 5],
  );
});

Deno.test("encode() makes no special token of what a user wrote", () => {
  const tokenizer = parseTokenizer(wordLevel());
  assertEquals(
    tokenizer.encode([
      { text: "<bos><image> what ", special: true },
      { text: "<image> <eos><bos>", special: false },
      { text: "?<eos>", special: true },
    ]),
    // The words are in the vocabulary, but as added tokens.
    [1, 4, 5, 3, 3, 2],
  );
});

Deno.test("encode() lets no special token begin in a template and end in a user's words", () => {
  const tokenizer = parseTokenizer(wordLevel());
  assertEquals(
    tokenizer.encode([
      { text: "<ima", special: true },
      { text: "ge>", special: false },
    ]),
    [3],
  );
  assertEquals(
    tokenizer.encode([
      { text: "<ima", special: true },
      { text: "ge>", special: true },
    ]),
    [4],
  );
});

Deno.test("encode() takes the longest of added tokens that begin alike", () => {
  const added = ["<a>", "<a><b>", "<a>c"].map((content, i) => ({
    id: 10 + i,
    content,
    special: true,
  }));
  const tokenizer = parseTokenizer(wordLevel({ added_tokens: added }));
  assertEquals(tokenizer.encode("<a><a>c<a><b><a>"), [10, 12, 11, 10]);
});

Deno.test("begin is what the post-processor puts before a text", () => {
  assertEquals(parseTokenizer(wordLevel()).begin, [1]);
  assertEquals(parseTokenizer(wordLevel({ post_processor: null })).begin, []);
});

Deno.test("encode() splits punctuation when the pre-tokenizer is Whitespace", () => {
  const tokenizer = parseTokenizer(
    wordLevel({ pre_tokenizer: { type: "Whitespace" } }),
  );
  assertEquals(tokenizer.encode("what color?"), [5, 6, 7]);
});

Deno.test("encode() gives the unknown-word token, or says that there is none", () => {
  assertEquals(parseTokenizer(wordLevel()).encode("what colour ?"), [5, 3, 7]);
  const vocab = { what: 0 };
  const strict = parseTokenizer(
    wordLevel({ added_tokens: [], model: { type: "WordLevel", vocab } }),
    "a/tokenizer.json",
  );
  assertThrows(
    () => strict.encode("what colour"),
    RangeError,
    'Cannot encode "colour" as a/tokenizer.json has no id for it and no unknown-word token',
  );
});

Deno.test("decode() is the inverse of encode() on known words", () => {
  const tokenizer = parseTokenizer(wordLevel());
  for (const text of ["what color ?", "<bos> what", "?", ""]) {
    assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
  }
});

Deno.test("decode() leaves out ids that are no token's", () => {
  const { decode, stream } = parseTokenizer(wordLevel());
  // Models have more rows than their tokenizers have tokens.
  assertEquals(decode([5, 8, 6, 31_999, 7]), "what color ?");
  assertEquals(decode([8]), "");
  const { push, finish } = stream();
  assertEquals([5, 8, 6].map(push), ["what", "", " color"]);
  assertEquals(finish(), "");
});

Deno.test("tokenId() knows words and special tokens", () => {
  const { tokenId } = parseTokenizer(wordLevel());
  assertEquals(["<image>", "color", "colour"].map(tokenId), [4, 6, undefined]);
});

Deno.test("unknown is the id of words that have none, where that is possible", () => {
  const named = parseTokenizer(wordLevel());
  assertEquals(named.unknown, named.tokenId("<unk>"));
  assertEquals(named.encode("colour"), [named.unknown]);
  const model = { type: "WordLevel", vocab: { what: 0, color: 1 } };
  const added = { "added_tokens": [], "post_processor": null };
  assertEquals(
    parseTokenizer(wordLevel({ ...added, model })).unknown,
    undefined,
  );
  const other = {
    type: "WordLevel",
    vocab: { what: 0, none: 1 },
    "unk_token": "none",
  };
  assertEquals(
    parseTokenizer(wordLevel({ ...added, model: other })).unknown,
    1,
  );
});

Deno.test("parseTokenizer() merges byte pairs as a BPE model asks", () => {
  const tokenizer = parseTokenizer(wordLevel({
    added_tokens: [],
    post_processor: null,
    model: {
      type: "BPE",
      vocab: { a: 0, b: 1, ab: 2, aba: 3 },
      merges: ["a b", "ab a"],
    },
  }));
  assertEquals(tokenizer.encode("aba ba"), [3, 1, 0]);
});

Deno.test("parseTokenizer() refuses added tokens that it cannot find as asked", () => {
  const cases: [token: unknown, message: string][] = [
    [{ id: 1 }, '"added_tokens", item 0, has no id or no content'],
    [{ content: "<a>" }, '"added_tokens", item 0, has no id or no content'],
    [
      { id: 1, content: "<a>", single_word: true },
      'added tokens must not be "single_word": "<a>"',
    ],
  ];
  for (const [token, message] of cases) {
    assertThrows(
      () => parseTokenizer(wordLevel({ added_tokens: [token] })),
      SyntaxError,
      message,
    );
  }
});

Deno.test("parseTokenizer() refuses parts that do not fit together", () => {
  const vocab = { a: 0, b: 1, "<unk>": 2 };
  const model = { type: "BPE", vocab, merges: ["a b"] };
  const cases: [Record<string, unknown>, string][] = [
    [{ post_processor: null, model }, '"merges", item 0, must be two tokens'],
    [{ post_processor: { type: "TemplateProcessing", single: 5 } }, ""],
  ];
  for (const [parts, message] of cases) {
    assertThrows(
      () => parseTokenizer(wordLevel({ added_tokens: [], ...parts })),
      SyntaxError,
      `as it does not describe a tokenizer: ${message}`,
    );
  }
});

Deno.test("parseTokenizer() names the file that is not a tokenizer", () => {
  for (const text of ["{", "{}", "null", '{"model": {"type": "Odd"}}']) {
    assertThrows(
      () => parseTokenizer(text, "a/tokenizer.json"),
      SyntaxError,
      "Cannot read a/tokenizer.json as it does not describe a tokenizer: ",
    );
  }
});
