// Bad weights, and folders that do not fit together, and the sentence that each
// gets. What else is refused, and where: io/bad_input_test.ts.

import {
  bytesInMemory,
  type ByteSource,
  createReferenceBackend,
  loadVisionLanguageModel,
  openSafetensors,
  type TensorStore,
} from "../../core/mod.ts";
import { loadCheckpoint, openFile, openFolder } from "../../io/mod.ts";
import { jsonError, testBadInputs, writeFiles } from "../_bad_input.ts";
import { loadLlavaFixture } from "../_llava.ts";
import { float32File, safetensorsBytes } from "../_safetensors.ts";

const LABEL = "a.safetensors";

function open(header: string, data: number[] = []): Promise<unknown> {
  const bytes = safetensorsBytes(header, Uint8Array.from(data));
  return openSafetensors(bytesInMemory(bytes), LABEL);
}

/** The first 8 bytes of a file with a long header; nobody may ask for more. */
function longHeader(length: number): ByteSource {
  const first = new Uint8Array(8);
  new DataView(first.buffer).setBigUint64(0, BigInt(length), true);
  return {
    length: 2 * length,
    read: (offset, length) =>
      offset + length <= 8
        ? Promise.resolve(first.slice(offset, offset + length))
        : Promise.reject(new Error("the header was read")),
  };
}

const entry = (dtype: string, begin: number, end: number, shape = [1]) =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
const W = entry("F32", 0, 4);

testBadInputs("openSafetensors()", [
  {
    given: "a header of 100 MB without reading it",
    to: () => openSafetensors(longHeader(100_000_001), LABEL),
    error: SyntaxError,
    says:
      "Cannot open a.safetensors as the header must have at most 100000000 bytes: current length is 100000001",
  },
  {
    given: "a byte-order mark",
    to: () => open(`\uFEFF{"w":${W}}`, [0, 0, 0, 0]),
    error: SyntaxError,
    says: 'Cannot open a.safetensors as its header must begin with "{"',
  },
  {
    given: "a header filled up with zeros",
    to: () => open(`{"w":${W}}\0\0`, [0, 0, 0, 0]),
    error: SyntaxError,
    says: `Cannot open a.safetensors as its header is not JSON: ${
      jsonError(`{"w":${W}}\0\0`)
    }`,
  },
  {
    given: "metadata given twice",
    to: () => open(`{"__metadata__":{},"w":${W},"__metadata__":{}}`),
    error: SyntaxError,
    says:
      'Cannot open a.safetensors as its header has the key "__metadata__" twice',
  },
  {
    given: "two tensors of the same bytes",
    to: () => open(`{"v":${W},"w":${W}}`, [0, 0, 0, 0]),
    error: SyntaxError,
    says:
      'Cannot open a.safetensors as the data of tensor "w" overlap those of another',
  },
  {
    given: "an empty tensor inside another",
    to: () => open(`{"v":${entry("F32", 2, 2, [0])},"w":${W}}`, [0, 0, 0, 0]),
    error: SyntaxError,
    says:
      'Cannot open a.safetensors as the data of tensor "v" overlap those of another',
  },
  {
    given: "objects nested deeper than the stack",
    to: () => open(`{"w":{"dtype":${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}}}`),
    error: SyntaxError,
    says:
      'Cannot open a.safetensors as the dtype of tensor "w" must be one of BOOL U8 I8 F8_E4M3 F8_E5M2 I16 U16 F16 BF16 I32 U32 F32 I64 U64 F64: current value is an object',
  },
]);

const NOT_FINITE: readonly [dtype: string, bytes: number[], value: string][] = [
  ["F16", [0x00, 0x7e], "NaN"],
  ["F16", [0x00, 0x7c], "Infinity"],
  ["F16", [0x00, 0xfc], "-Infinity"],
  ["BF16", [0xc0, 0x7f], "NaN"],
  ["BF16", [0x80, 0x7f], "Infinity"],
  ["BF16", [0x80, 0xff], "-Infinity"],
  ["F32", [0x01, 0x00, 0x80, 0x7f], "NaN"], // a signalling one
];

testBadInputs("read()", [
  ...NOT_FINITE.map(([dtype, bytes, value]) => ({
    given: `${value} in ${dtype}`,
    async to() {
      const header = `{"w":${entry(dtype, 0, 2 * bytes.length, [2])}}`;
      const zero = bytes.map(() => 0);
      const file = await openSafetensors(
        bytesInMemory(
          safetensorsBytes(header, Uint8Array.from([...zero, ...bytes])),
        ),
        LABEL,
      );
      await file.read("w");
    },
    error: RangeError,
    says:
      `Cannot read tensor "w" of a.safetensors as weights must be finite: current value at index 1 is ${value}`,
  })),
  {
    given: "weights in eight bits, which say nothing without their scales",
    async to() {
      const header = `{"w":${entry("F8_E4M3", 0, 1)}}`;
      const file = await openSafetensors(
        bytesInMemory(safetensorsBytes(header, Uint8Array.of(0))),
        LABEL,
      );
      await file.read("w");
    },
    error: TypeError,
    says:
      'Cannot read tensor "w" of a.safetensors as its type must be F32, F16 or BF16: current type is F8_E4M3',
  },
  {
    given: "a file that was cut short since it was opened",
    async to(directory) {
      const path = `${directory}/${LABEL}`;
      const bytes = float32File({ w: { shape: [2], values: [1, 2] } });
      await Deno.writeFile(path, bytes);
      const file = await openSafetensors(await openFile(path), path);
      await Deno.truncate(path, bytes.length - 1);
      await file.read("w");
    },
    error: Error,
    says:
      "Cannot read DIR/a.safetensors as it ends at byte 69: bytes up to 70 were expected",
  },
]);

const INDEX = "model.safetensors.index.json";
const A = float32File({ a: { shape: [2], values: [1, 2] } });
const B = float32File({
  b: { shape: [1], values: [3] },
  c: { shape: [1], values: [4] },
});

/** Loads a folder of two shards with some of its files replaced. */
async function loadFolder(
  directory: string,
  files: Readonly<Record<string, unknown>>,
): Promise<void> {
  await writeFiles(directory, {
    "config.json": { "model_type": "llava" },
    "preprocessor_config.json": {},
    "tokenizer.json": {},
    "a.safetensors": A,
    "b.safetensors": B,
    [INDEX]: { weight_map: { a: "a.safetensors", b: "b.safetensors" } },
    ...files,
  });
  await loadCheckpoint(openFolder(directory));
}

const BAD_FOLDERS: readonly [
  given: string,
  files: Readonly<Record<string, unknown>>,
  says: string,
][] = [
  [
    "a config.json that is empty",
    { "config.json": "" },
    `Cannot read DIR/config.json as it is not JSON: ${jsonError("")}`,
  ],
  [
    "a config.json that is cut short",
    { "config.json": '{"model_type": "ll' },
    `Cannot read DIR/config.json as it is not JSON: ${
      jsonError('{"model_type": "ll')
    }`,
  ],
  [
    "a preprocessor_config.json with comments",
    { "preprocessor_config.json": "{} // CLIP's" },
    `Cannot read DIR/preprocessor_config.json as it is not JSON: ${
      jsonError("{} // CLIP's")
    }`,
  ],
  [
    "an index without a map",
    { [INDEX]: { metadata: {} } },
    `Cannot read DIR/${INDEX} as it has no "weight_map"`,
  ],
  [
    "an index whose map is a list",
    { [INDEX]: { weight_map: ["a.safetensors"] } },
    `Cannot read DIR/${INDEX} as "weight_map" must be an object: current value is ["a.safetensors"]`,
  ],
  [
    "an index whose map is null",
    { [INDEX]: { weight_map: null } },
    `Cannot read DIR/${INDEX} as "weight_map" must be an object: current value is null`,
  ],
  [
    "a tensor that two shards have",
    {
      "a.safetensors": float32File({
        a: { shape: [2], values: [1, 2] },
        b: { shape: [1], values: [5] },
      }),
    },
    'Cannot load DIR as tensor "b" is in both b.safetensors and a.safetensors',
  ],
  [
    "a tensor that two shards have and the index leaves out",
    {
      "a.safetensors": float32File({
        a: { shape: [2], values: [1, 2] },
        c: { shape: [1], values: [5] },
      }),
    },
    'Cannot load DIR as tensor "c" is in both a.safetensors and b.safetensors',
  ],
  [
    "a shard that is cut short",
    { "b.safetensors": B.slice(0, -1) },
    'Cannot open DIR/b.safetensors as the data of tensor "c" end at byte 8 and the file\'s data at byte 7',
  ],
];

testBadInputs("loadCheckpoint()", [
  ...BAD_FOLDERS.map(([given, files, says]) => ({
    given,
    to: (directory: string) => loadFolder(directory, files),
    error: SyntaxError,
    says,
  })),
  {
    given: "a shard that is a folder",
    async to(directory) {
      await Deno.mkdir(`${directory}/shard`);
      await loadFolder(directory, { [INDEX]: { weight_map: { a: "shard" } } });
    },
    error: Error,
    says: "Cannot read DIR/shard as it is not a file",
  },
]);

testBadInputs("loadVisionLanguageModel()", [
  {
    given: "missing, misshapen and unexpected weights, all at once",
    async to() {
      const { source } = await loadLlavaFixture("llava_a");
      const tensors = new Map(source.tensors.tensors);
      tensors.delete("language_model.model.norm.weight");
      tensors.set("language_model.lm_head.weight", { shape: [16, 31] });
      tensors.set("score.weight", { shape: [2, 16] });
      const store: TensorStore = { ...source.tensors, tensors };
      const model = { ...source, tensors: store };
      await loadVisionLanguageModel(createReferenceBackend(), model);
    },
    error: TypeError,
    says:
      "Cannot use llava_a as language_model.model.norm.weight [16] is missing; language_model.lm_head.weight must have shape [31,16]: current shape is [16,31]; score.weight [2,16] is unexpected",
  },
]);
