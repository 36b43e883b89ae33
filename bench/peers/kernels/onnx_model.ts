/**
 * ONNX files of one operation, written by hand: protocol buffers are tags,
 * lengths and bytes (onnx.proto names the fields whose numbers are used here).
 */

import type { AttentionWork, LinearWork } from "./work.ts";

/** An encoded field or message. */
type Bytes = Uint8Array<ArrayBuffer>;

/** TensorProto.DataType. */
const FLOAT = 1;
const UINT8 = 2;
const FLOAT16 = 10;

const ATTRIBUTE_INT = 2;

function join(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function varint(value: number): Bytes {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) {
    bytes.push(value % 128 + 128);
  }
  return Uint8Array.from([...bytes, value]);
}

/** A field that holds an integer. */
function integer(field: number, value: number): Bytes {
  return join([varint(8 * field), varint(value)]);
}

/** A field that holds a text, bytes or a message. */
function content(field: number, value: string | Bytes): Bytes {
  const bytes = typeof value === "string"
    ? new TextEncoder().encode(value)
    : value;
  return join([varint(8 * field + 2), varint(bytes.length), bytes]);
}

/** ValueInfoProto: a tensor's name, type and shape. */
function valueInfo(
  name: string,
  type: number,
  shape: readonly number[],
): Bytes {
  const dimensions = shape.map((size) => content(1, integer(1, size)));
  const tensor = [integer(1, type), content(2, join(dimensions))];
  return join([content(1, name), content(2, content(1, join(tensor)))]);
}

/** An input that is constant. */
interface Constant {
  readonly type: number;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView<ArrayBuffer>;
}

/** TensorProto. */
function tensor(name: string, { type, shape, data }: Constant): Bytes {
  return join([
    ...shape.map((size) => integer(1, size)),
    integer(2, type),
    content(8, name),
    content(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
}

/** A graph of one node. */
interface Graph {
  readonly operator: string;
  /** The domain of an operator that is no standard one. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, number>>;
  /** The type of inputs and output. */
  readonly type?: number;
  /** Names and shapes of inputs, in the operator's order. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Inputs after these that are constant. */
  readonly constants?: readonly Constant[];
  readonly output: readonly number[];
}

/** ModelProto. */
function model(graph: Graph): Bytes {
  const { operator, domain = "", attributes = {}, type = FLOAT } = graph;
  const inputs = Object.entries(graph.inputs);
  const constants = (graph.constants ?? []).map((constant, i) =>
    [`constant${i}`, constant] as const
  );
  const node = join([
    ...[...inputs, ...constants].map(([name]) => content(1, name)),
    content(2, "out"),
    content(4, operator),
    ...Object.entries(attributes).map(([name, value]) =>
      content(
        5,
        join([content(1, name), integer(3, value), integer(20, ATTRIBUTE_INT)]),
      )
    ),
    content(7, domain),
  ]);
  return join([
    integer(1, 8), // IR version
    content(
      7,
      join([
        content(1, node),
        content(2, operator),
        ...constants.map((constant) => content(5, tensor(...constant))),
        ...inputs.map(([name, shape]) =>
          content(11, valueInfo(name, type, shape))
        ),
        content(12, valueInfo("out", type, graph.output)),
      ]),
    ),
    content(8, join([content(1, ""), integer(2, 17)])),
    content(8, join([content(1, "com.microsoft"), integer(2, 1)])),
  ]);
}

/** A product with constant weights, [O, I], stored as the work says. */
export function linearModel(work: LinearWork, weight: Float32Array): Bytes {
  switch (work.weightType) {
    case "f32":
    case "f16":
      return matrixModel(work, weight);
    case "int8":
      return blockModel(work, weight, 8);
    case "int4":
      return blockModel(work, weight, 4);
  }
}

/** MatMul with the transposed weights, [I, O]. */
function matrixModel(
  { M, I, O, weightType }: LinearWork,
  weight: Float32Array,
): Bytes {
  const type = weightType === "f16" ? FLOAT16 : FLOAT;
  const data = new (weightType === "f16" ? Float16Array : Float32Array)(I * O);
  for (let i = 0; i < I; i++) {
    for (let o = 0; o < O; o++) data[i * O + o] = weight[o * I + i];
  }
  return model({
    operator: "MatMul",
    type,
    inputs: { x: [M, I] },
    constants: [{ type, shape: [I, O], data }],
    output: [M, O],
  });
}

/** Weights that share a scale. */
const BLOCK = 32;

/**
 * MatMulNBits: every block of weights along the depth has a scale, and integers
 * that count from the middle of their range.
 */
function blockModel(
  { M, I, O }: LinearWork,
  weight: Float32Array,
  bits: 4 | 8,
): Bytes {
  const blocks = I / BLOCK;
  const middle = 2 ** (bits - 1);
  const scales = new Float32Array(O * blocks);
  const integers = new Uint8Array(O * I);
  for (let block = 0; block < scales.length; block++) {
    const values = weight.subarray(block * BLOCK, (block + 1) * BLOCK);
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const scale = scales[block] = most / (middle - 1) || 1;
    values.forEach((value, i) => {
      integers[block * BLOCK + i] = Math.round(value / scale) + middle;
    });
  }
  const data = bits === 8
    ? integers
    : new Uint8Array(integers.length / 2).map((_, i) =>
      integers[2 * i] + 16 * integers[2 * i + 1]
    );
  return model({
    operator: "MatMulNBits",
    domain: "com.microsoft",
    attributes: { "K": I, "N": O, bits, "block_size": BLOCK },
    inputs: { x: [M, I] },
    constants: [
      { type: UINT8, shape: [O, blocks, BLOCK * bits / 8], data },
      { type: FLOAT, shape: [O, blocks], data: scales },
    ],
    output: [M, O],
  });
}

/** The fused attention of ONNX Runtime's own operators. */
export function attentionModel({ S, H, E }: AttentionWork): Bytes {
  const shape = [1, S, H * E];
  return model({
    operator: "MultiHeadAttention",
    domain: "com.microsoft",
    attributes: { "num_heads": H },
    inputs: { q: shape, k: shape, v: shape },
    output: shape,
  });
}
