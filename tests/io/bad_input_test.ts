// Bad inputs and the sentence that each gets, in tables: tokenizers, chat
// templates and images here; configurations in core/bad_config_test.ts, weights and
// folders in io/bad_weights_test.ts, results that cannot be written in
// cli/bad_results_test.ts. 73 in all, besides some 350 that stand in the tests of
// what they are given to:
//
//   safetensors   core/safetensors_test.ts (46, and a file cut short at every byte)
//   folders       io/hf_test.ts (16), core/weights_test.ts (6)
//   config.json   core/config_test.ts (29), core/families_bad_config_test.ts
//                 (18), core/fields_test.ts (40)
//   preprocessor  core/preprocess_test.ts (11), core/image_test.ts (10)
//   images        io/images_test.ts (22)
//   text          io/tokenizer_test.ts (9), io/templates_test.ts (8), io/prompts_test.ts (3)
//   schedules     core/schedule_test.ts (21)
//   questions     io/dataset_errors_test.ts (53)
//   options       cli/options_test.ts (42), cli/search_cli_test.ts (14)

import { crc32 } from "node:zlib";
import { parseNormalization } from "../../core/mod.ts";
import {
  decodeImage,
  openFolder,
  parseChatTemplate,
  parseTokenizer,
  readChatTemplate,
} from "../../io/mod.ts";
import { jsonError, testBadInputs, writeFiles } from "../_bad_input.ts";
import { FILES } from "../_images.ts";

testBadInputs("parseNormalization()", [
  {
    given: "a list",
    to: () => parseNormalization([], "a/preprocessor_config.json"),
    error: TypeError,
    says:
      "Cannot read a/preprocessor_config.json as it must be a JSON object: current value is []",
  },
  {
    given: "means in words",
    to: () => parseNormalization({ image_mean: ["a", "b", "c"] }),
    error: RangeError,
    says:
      'Cannot read preprocessor_config.json as image_mean must be 3 numbers: current value is ["a","b","c"]',
  },
]);

/** A tokenizer.json of word-level or other model. */
function tokenizerOf(model: unknown, parts: object = {}): string {
  return JSON.stringify({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model,
    ...parts,
  });
}

const WORDS = { type: "WordLevel", vocab: { a: 0, b: 1 } };
const PAIRS = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 } };

const TOKENIZERS: readonly [given: string, json: string, why: string][] = [
  ["an empty file", "", jsonError("")],
  ["a file that is cut short", '{"model": {', jsonError('{"model": {')],
  [
    "a list of added tokens that is none",
    tokenizerOf(WORDS, { added_tokens: "<s>" }),
    '"added_tokens" must be a list',
  ],
  [
    "a file without a model",
    tokenizerOf(null),
    '"model" must have a "vocab", an object of ids',
  ],
  [
    "a vocabulary that is a text",
    tokenizerOf({ ...WORDS, vocab: "a b" }),
    '"model" must have a "vocab", an object of ids',
  ],
  [
    "a negative id",
    tokenizerOf({ ...WORDS, vocab: { a: -1 } }),
    'the id of "a" must be an integer >= 0: current value is -1',
  ],
  [
    "an id in words",
    tokenizerOf({ ...WORDS, vocab: { a: 0, b: "1" } }),
    'the id of "b" must be an integer >= 0: current value is "1"',
  ],
  [
    "byte pairs without merges",
    tokenizerOf(PAIRS),
    '"model" must have "merges", a list of pairs',
  ],
  [
    "a merge of one token",
    tokenizerOf({ ...PAIRS, merges: ["a b", "a"] }),
    '"merges", item 1, must be two tokens of the vocabulary, and together a third: current value is "a"',
  ],
  [
    "a merge beyond the vocabulary",
    tokenizerOf({ ...PAIRS, merges: [["a", "c"]] }),
    '"merges", item 0, must be two tokens of the vocabulary, and together a third: current value is ["a","c"]',
  ],
  [
    "a pre-tokenizer that nobody knows",
    tokenizerOf(WORDS, { pre_tokenizer: { type: "Odd" } }),
    'the type of "pre_tokenizer" must be Sequence, ByteLevel, Digits, Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit: current value is "Odd"',
  ],
];

testBadInputs(
  "parseTokenizer()",
  TOKENIZERS.map(([given, json, why]) => ({
    given,
    to: () => parseTokenizer(json, "a/tokenizer.json"),
    error: SyntaxError,
    says:
      `Cannot read a/tokenizer.json as it does not describe a tokenizer: ${why}`,
  })),
);

const NO_TEMPLATE =
  '"chat_template" must be a text, or a list with one named "default"';
const FOLDERS: readonly [
  given: string,
  file: string,
  value: unknown,
  why: string,
][] = [
  [
    "a file that is not a template",
    "chat_template.jinja",
    "{% for %}",
    'it is not a template: "%}" stands where it cannot',
  ],
  [
    "a template that is a number",
    "tokenizer_config.json",
    { chat_template: 1 },
    NO_TEMPLATE,
  ],
  [
    "templates of which none is the default",
    "tokenizer_config.json",
    { chat_template: [{ name: "rag", template: "" }] },
    NO_TEMPLATE,
  ],
  ["a list in place of a template", "chat_template.json", [], NO_TEMPLATE],
  [
    "a template's file that is not JSON",
    "chat_template.json",
    '{"chat_template',
    `it is not JSON: ${jsonError('{"chat_template')}`,
  ],
];

testBadInputs(
  "readChatTemplate()",
  FOLDERS.map(([given, file, value, why]) => ({
    given,
    async to(directory) {
      await writeFiles(directory, { [file]: value });
      await readChatTemplate(openFolder(directory), "<image>");
    },
    error: SyntaxError,
    says: `Cannot read DIR/${file} as ${why}`,
  })),
);

testBadInputs("parseChatTemplate()", [
  {
    given: "a template that leaves out the question",
    to: () =>
      parseChatTemplate(
        "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% endif %}{% endfor %}",
        { label: "a.jinja" },
      ).render([
        { role: "system", content: "Be brief." },
        { role: "user", content: "What is it?" },
      ]),
    error: RangeError,
    says: "Cannot use a.jinja as it leaves out the user's words, message 2",
  },
]);

/** A PNG image whose header says another size. */
function pngOfSize(width: number, height: number): Uint8Array {
  const png = FILES.find(({ name }) => name === "png")!.file.slice();
  const view = new DataView(png.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  view.setUint32(29, crc32(png.subarray(12, 29)));
  return png;
}

testBadInputs("decodeImage()", [
  {
    given: "a page that says that there is no such image",
    to: () =>
      decodeImage(new TextEncoder().encode("<!DOCTYPE html>"), "a/1.jpg"),
    error: SyntaxError,
    says:
      "Cannot decode a/1.jpg as it must be a JPEG, PNG, WebP or GIF image: its first bytes are 3c21444f4354595045206874",
  },
  {
    given: "a PNG of 4 G pixels in a hundred bytes",
    to: () => decodeImage(pngOfSize(65535, 65535), "a/1.png"),
    error: RangeError,
    says:
      "Cannot decode a/1.png as it must have at most 178956970 pixels: current size is 65535 x 65535",
  },
  {
    given: "a PNG without pixels",
    to: () => decodeImage(pngOfSize(0, 2), "a.png"),
    error: SyntaxError,
    says:
      "Cannot decode a.png as its PNG data is cut short or broken: current length is 379 bytes",
  },
]);
