/**
 * ONNX files of one operation, written by hand: protocol buffers are tags,
 * lengths and bytes (onnx.proto names the fields whose numbers are used here).
 */

import type { AttentionWork, LinearWork } from "./work.ts";

/** An encoded field or message. */
type Bytes = Uint8Array<ArrayBuffer>;

const FLOAT = 1;
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

/** ValueInfoProto: a float tensor's name and shape. */
function valueInfo(name: string, shape: readonly number[]): Bytes {
  const dimensions = shape.map((size) => content(1, integer(1, size)));
  const tensor = [integer(1, FLOAT), content(2, join(dimensions))];
  return join([content(1, name), content(2, content(1, join(tensor)))]);
}

/** What there is in a graph of one node. */
interface Graph {
  readonly operator: string;
  /** Where it is not a standard operator. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, number>>;
  /** Names and shapes of inputs, in the operator's order. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** A last input that is constant. */
  readonly constant?: {
    readonly shape: readonly number[];
    readonly data: Float32Array<ArrayBuffer>;
  };
  readonly output: readonly number[];
}

/** ModelProto. */
function model(graph: Graph): Bytes {
  const { operator, domain = "", attributes = {}, inputs, constant } = graph;
  const names = Object.keys(inputs);
  const node = join([
    ...[...names, ...constant ? ["constant"] : []].map((name) =>
      content(1, name)
    ),
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
  const initializer = constant &&
    join([
      ...constant.shape.map((size) => integer(1, size)),
      integer(2, FLOAT),
      content(8, "constant"),
      content(9, new Uint8Array(constant.data.buffer)),
    ]);
  return join([
    integer(1, 8), // IR version
    content(
      7,
      join([
        content(1, node),
        content(2, operator),
        ...initializer ? [content(5, initializer)] : [],
        ...names.map((name) => content(11, valueInfo(name, inputs[name]))),
        content(12, valueInfo("out", graph.output)),
      ]),
    ),
    content(8, join([content(1, ""), integer(2, 17)])),
    content(8, join([content(1, "com.microsoft"), integer(2, 1)])),
  ]);
}

/** MatMul with the transposed weights, [I, O]. */
export function linearModel(
  { M, I, O }: LinearWork,
  weight: Float32Array,
): Bytes {
  const data = new Float32Array(I * O);
  for (let i = 0; i < I; i++) {
    for (let o = 0; o < O; o++) data[i * O + o] = weight[o * I + i];
  }
  return model({
    operator: "MatMul",
    inputs: { x: [M, I] },
    constant: { shape: [I, O], data },
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
