import { assertEquals, assertRejects } from "@std/assert";
import {
  bytesInMemory,
  type ByteSource,
} from "../../core/checkpoints/bytes.ts";
import { openSafetensors } from "../../core/checkpoints/safetensors.ts";
import { float32File, safetensorsBytes } from "../_safetensors.ts";
import expected from "../fixtures/mixed.json" with { type: "json" };

const LABEL = "a.safetensors";

function open(bytes: Uint8Array) {
  return openSafetensors(bytesInMemory(bytes), LABEL);
}

Deno.test("openSafetensors() reads back a file built by hand", async () => {
  const file = await open(float32File({
    "a.weight": { shape: [2, 2], values: [1, -2, 0.5, 3e-45] },
    "b": { shape: [1], values: [7] },
  }));
  assertEquals(file.tensors.get("a.weight"), {
    dtype: "F32",
    shape: [2, 2],
    begin: 0,
    end: 16,
  });
  assertEquals(
    await file.read("a.weight"),
    Float32Array.of(1, -2, 0.5, 3e-45),
  );
  assertEquals(await file.read("b"), Float32Array.of(7));
});

Deno.test("openSafetensors() agrees with the official library on every type it reads", async () => {
  const bytes = await Deno.readFile(
    new URL("../fixtures/mixed.safetensors", import.meta.url),
  );
  const file = await open(bytes);
  assertEquals(file.metadata, new Map([["format", "pt"]]));
  assertEquals(
    [...file.tensors.keys()].sort(),
    [
      ...Object.keys(expected),
      "ids",
    ].sort(),
  );
  for (const [name, { shape, values }] of Object.entries(expected)) {
    assertEquals(file.tensors.get(name)!.shape, shape, name);
    assertEquals(await file.read(name), Float32Array.from(values), name);
  }
  await assertRejects(
    () => file.read("ids"),
    TypeError,
    'Cannot read tensor "ids" of a.safetensors as its type must be F32, F16 or BF16: current type is I64',
  );
});

Deno.test("openSafetensors() treats hostile names as names", async () => {
  const names = ["__proto__", "constructor", "", "\u0000", "é", "\\", 'a":{"'];
  const header = names.map((name, i) =>
    `${JSON.stringify(name)}:{"dtype":"F32","shape":[],"data_offsets":[${
      4 * i
    },${4 * i + 4}]}`
  );
  const file = await open(safetensorsBytes(
    `{${header}}`,
    new Uint8Array(Float32Array.from(names.keys()).buffer),
  ));
  assertEquals([...file.tensors.keys()], names);
  for (const [i, name] of names.entries()) {
    assertEquals(await file.read(name), Float32Array.of(i));
  }
  await assertRejects(
    () => file.read("valueOf"),
    RangeError,
    'Cannot read tensor "valueOf" as a.safetensors has no tensor of that name',
  );
});

Deno.test("read() needs no more than one chunk of the file at a time", async () => {
  // One number more than a chunk, so that two reads must be put together.
  const count = (1 << 22) + 1;
  const header = `{"w":{"dtype":"F16","shape":[${count}],"data_offsets":[0,${
    2 * count
  }]}}`;
  const bytes = safetensorsBytes(header, new Uint8Array(2 * count));
  bytes.set([0x00, 0x3c], bytes.length - 2);
  const lengths: number[] = [];
  const memory = bytesInMemory(bytes);
  const source: ByteSource = {
    length: memory.length,
    read(offset, length) {
      lengths.push(length);
      return memory.read(offset, length);
    },
  };
  const values = await (await openSafetensors(source, LABEL)).read("w");
  assertEquals(lengths, [8, header.length, 2 << 22, 2]);
  assertEquals([values.length, values[count - 2], values[count - 1]], [
    count,
    0,
    1,
  ]);
});

Deno.test("read() reads no more of the file than the rows it is asked for", async () => {
  const bytes = float32File({
    v: { shape: [1], values: [9] },
    w: { shape: [3, 1, 2], values: [1, 2, 3, 4, 5, NaN] },
  });
  const memory = bytesInMemory(bytes);
  const ranges: number[][] = [];
  const source: ByteSource = {
    length: memory.length,
    read(offset, length) {
      ranges.push([offset, length]);
      return memory.read(offset, length);
    },
  };
  const file = await openSafetensors(source, LABEL);
  const rows = { start: 1, length: 1 };
  assertEquals(await file.read("w", rows), Float32Array.of(3, 4));
  assertEquals(ranges.at(-1), [bytes.length - 16, 8]);
  await assertRejects(
    () => file.read("w", { start: 2, length: 1 }),
    RangeError,
    "current value at index 5 is NaN",
  );
});

Deno.test("read() takes bytes that start at an odd offset of their buffer", async () => {
  const bytes = float32File({ w: { shape: [2], values: [1, 2] } });
  const source: ByteSource = {
    length: bytes.length,
    read(offset, length) {
      const shifted = new Uint8Array(length + 1);
      shifted.set(bytes.subarray(offset, offset + length), 1);
      return Promise.resolve(shifted.subarray(1));
    },
  };
  const file = await openSafetensors(source, LABEL);
  assertEquals(await file.read("w"), Float32Array.of(1, 2));
});

Deno.test("read() refuses weights that are not finite", async () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const file = await open(
      float32File({ w: { shape: [3], values: [0, 0, value] } }),
    );
    await assertRejects(
      () => file.read("w"),
      RangeError,
      `Cannot read tensor "w" of a.safetensors as weights must be finite: current value at index 2 is ${value}`,
    );
  }
});

Deno.test("read() refuses an answer that is too short", async () => {
  const memory = bytesInMemory(
    float32File({ w: { shape: [2], values: [1, 2] } }),
  );
  let shorter = 0;
  const source: ByteSource = {
    length: memory.length,
    read: (offset, length) => memory.read(offset, length - shorter),
  };
  const file = await openSafetensors(source, LABEL);
  shorter = 3;
  await assertRejects(
    () => file.read("w"),
    RangeError,
    "Cannot read a.safetensors as bytes",
  );
});

/** A header with one F32 tensor "w"; the data are four bytes. */
const w = (fields: string) => `{"w":{${fields}}}`;
const good = '"dtype":"F32","shape":[1],"data_offsets":[0,4]';
const dtypes =
  "BOOL U8 I8 F8_E4M3 F8_E5M2 I16 U16 F16 BF16 I32 U32 F32 I64 U64 F64";

/** Headers in front of four bytes of data, and why each is refused. */
const HOSTILE: readonly [header: string, reason: string][] = [
  ["", 'its header must begin with "{"'],
  [` ${w(good)}`, 'its header must begin with "{"'],
  ["[]", 'its header must begin with "{"'],
  ['{"w":', "its header is not JSON: "],
  [w(good) + "x", "its header is not JSON: "],
  [`{"w":{${good}},"\\u0077":{${good}}}`, 'its header has the key "w" twice'],
  [w(`${good},"dtype":"F16"`), 'its header has the key "dtype" twice'],
  [
    '{"__metadata__":{"a":"{","a":"}"}}',
    'its header has the key "a" twice',
  ],
  ['{"w":[]}', 'the entry of tensor "w" must be an object'],
  ['{"__proto__":null}', 'the entry of tensor "__proto__" must be an object'],
  [
    w('"shape":[1],"data_offsets":[0,4]'),
    `the dtype of tensor "w" must be one of ${dtypes}: current value is missing`,
  ],
  [
    w('"dtype":"F31","shape":[1],"data_offsets":[0,4]'),
    `the dtype of tensor "w" must be one of ${dtypes}: current value is "F31"`,
  ],
  [
    w('"dtype":"toString","shape":[1],"data_offsets":[0,4]'),
    `the dtype of tensor "w" must be one of ${dtypes}: current value is "toString"`,
  ],
  ...["[-1]", "[1.5]", '["1"]', "[9007199254740992]", "null", "4"].map((
    shape,
  ): [string, string] => [
    w(`"dtype":"F32","shape":${shape},"data_offsets":[0,4]`),
    `the shape of tensor "w" must be a list of non-negative integers: current value is ${shape}`,
  ]),
  [
    w(
      `"dtype":"F32","shape":${"[".repeat(1e5)}${
        "]".repeat(1e5)
      },"data_offsets":[0,4]`,
    ),
    'the shape of tensor "w" must be a list of non-negative integers: current value is […]',
  ],
  ...["[0]", "[0,4,8]", "[4,0]", "[-4,0]", "[0,4.5]", "{}"].map((
    offsets,
  ): [string, string] => [
    w(`"dtype":"F32","shape":[1],"data_offsets":${offsets}`),
    `the data_offsets of tensor "w" must be two non-negative integers in ascending order: current value is ${
      offsets === "{}" ? "an object" : offsets
    }`,
  ]),
  [
    w('"dtype":"F32","shape":[2],"data_offsets":[0,8]'),
    'the data of tensor "w" end at byte 8 and the file\'s data at byte 4',
  ],
  [
    w('"dtype":"F32","shape":[2],"data_offsets":[0,4]'),
    'the data of tensor "w" must have 8 bytes for F32 and shape [2]: current number is 4',
  ],
  [
    w(
      '"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]',
    ),
    'the data of tensor "w" must have 73786976294838210000 bytes for F32',
  ],
  [
    `{"w":{${good}},"v":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}`,
    'the data of tensor "v" overlap those of another',
  ],
  [
    w('"dtype":"F16","shape":[1],"data_offsets":[2,4]'),
    'bytes 0 to 2 before tensor "w" belong to no tensor',
  ],
  [
    w('"dtype":"F16","shape":[1],"data_offsets":[0,2]'),
    "bytes 2 to 4 after the last tensor belong to no tensor",
  ],
  ["{}", "bytes 0 to 4 after the last tensor belong to no tensor"],
  ['{"__metadata__":"pt"}', "__metadata__ must be an object"],
  ['{"__metadata__":{"a":1}}', '__metadata__ "a" must be a string'],
];

for (const [header, reason] of HOSTILE) {
  Deno.test(`openSafetensors() refuses a header when ${reason}`, async () => {
    await assertRejects(
      () => open(safetensorsBytes(header, new Uint8Array(4))),
      SyntaxError,
      `Cannot open a.safetensors as ${reason}`,
    );
  });
}

Deno.test("openSafetensors() refuses a header that is not UTF-8", async () => {
  await assertRejects(
    () => open(safetensorsBytes(Uint8Array.of(0x7b, 0xff, 0x7d))),
    SyntaxError,
    "Cannot open a.safetensors as its header is not UTF-8 text",
  );
});

Deno.test("openSafetensors() refuses a header length beyond limit or file", async () => {
  const withLength = (length: bigint) => {
    const bytes = safetensorsBytes("{}");
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  await assertRejects(
    () => open(withLength(2n ** 64n - 1n)),
    SyntaxError,
    "Cannot open a.safetensors as the header must have at most 100000000 bytes: current length is 18446744073709552000",
  );
  await assertRejects(
    () => open(withLength(3n)),
    SyntaxError,
    "Cannot open a.safetensors as the header ends at byte 11 and the file at byte 10",
  );
});

Deno.test("openSafetensors() refuses a file cut short at any byte", async () => {
  const whole = float32File({
    a: { shape: [2], values: [1, 2] },
    b: { shape: [], values: [3] },
  });
  await open(whole);
  for (let length = 0; length < whole.length; length++) {
    await assertRejects(
      () => open(whole.slice(0, length)),
      SyntaxError,
      "Cannot open a.safetensors as ",
    );
  }
});
