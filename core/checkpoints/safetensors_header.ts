// The header of a safetensors file, checked as strictly as the format asks:
// no duplicate names, every byte of the data in exactly one tensor.
// Checkpoints are not trusted: names go into a Map, where "__proto__" is a name
// like any other.
// This module is browser compatible.

/** Type, shape and place of one tensor. */
export interface TensorInfo {
  /** Number type as the format spells it: "F32", "F16", "BF16", … */
  readonly dtype: string;
  /** Sizes of the dimensions; empty for a single number. */
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** The content of a header. */
export interface SafetensorsHeader {
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Free text by name. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bytes per number of the format's types with whole bytes. */
const DTYPE_BYTES: ReadonlyMap<string, number> = new Map([
  ...["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"].map((t) => [t, 1] as const),
  ...["I16", "U16", "F16", "BF16"].map((t) => [t, 2] as const),
  ...["I32", "U32", "F32"].map((t) => [t, 4] as const),
  ...["I64", "U64", "F64"].map((t) => [t, 8] as const),
]);

/**
 * Parses and checks a header.
 *
 * @param bytes The header, without the length before it.
 * @param dataLength Number of bytes after the header.
 * @param label The file's name in errors.
 * @throws {SyntaxError} If the header breaks a rule of the format.
 */
export function parseHeader(
  bytes: Uint8Array,
  dataLength: number,
  label: string,
): SafetensorsHeader {
  const fail = (reason: string) =>
    new SyntaxError(`Cannot open ${label} as ${reason}`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    throw fail("its header is not UTF-8 text");
  }
  if (!text.startsWith("{")) {
    throw fail('its header must begin with "{"');
  }
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    throw fail(`its header is not JSON: ${(error as Error).message}`);
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) {
    throw fail(`its header has the key ${show(duplicate)} twice`);
  }
  const tensors = new Map<string, TensorInfo>();
  let metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(root as object)) {
    if (name === "__metadata__") metadata = parseMetadata(value, fail);
    else tensors.set(name, parseTensorInfo(name, value, dataLength, fail));
  }
  checkLayout(tensors, dataLength, fail);
  return { tensors, metadata };
}

/** Makes the error for a broken rule. */
type Fail = (reason: string) => SyntaxError;

/** `__metadata__`: an object whose values are strings. */
function parseMetadata(value: unknown, fail: Fail): Map<string, string> {
  if (!isObject(value)) throw fail("__metadata__ must be an object");
  const entries = Object.entries(value);
  for (const [key, text] of entries) {
    if (typeof text !== "string") {
      throw fail(`__metadata__ ${show(key)} must be a string`);
    }
  }
  return new Map(entries as [string, string][]);
}

/** One tensor's `{"dtype": …, "shape": […], "data_offsets": [begin, end]}`. */
function parseTensorInfo(
  name: string,
  value: unknown,
  dataLength: number,
  fail: Fail,
): TensorInfo {
  const of = `of tensor ${show(name)}`;
  if (!isObject(value)) throw fail(`the entry ${of} must be an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const size = typeof dtype === "string" ? DTYPE_BYTES.get(dtype) : undefined;
  if (size === undefined) {
    throw fail(
      `the dtype ${of} must be one of ${
        [...DTYPE_BYTES.keys()].join(" ")
      }: current value is ${show(dtype)}`,
    );
  }
  if (!isCounts(shape)) {
    throw fail(
      `the shape ${of} must be a list of non-negative integers: current value is ${
        show(shape)
      }`,
    );
  }
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw fail(
      `the data_offsets ${of} must be two non-negative integers in ascending order: current value is ${
        show(offsets)
      }`,
    );
  }
  const [begin, end] = offsets;
  if (end > dataLength) {
    throw fail(
      `the data ${of} end at byte ${end} and the file's data at byte ${dataLength}`,
    );
  }
  // A product beyond 2⁵³ is inexact, but then far from any byte count too.
  const needed = shape.reduce((product, n) => product * n, size);
  if (needed !== end - begin) {
    throw fail(
      `the data ${of} must have ${needed} bytes for ${dtype} and shape [${shape}]: current number is ${
        end - begin
      }`,
    );
  }
  return { dtype: dtype as string, shape, begin, end };
}

/** Checks that every byte of the data belongs to exactly one tensor. */
function checkLayout(
  tensors: ReadonlyMap<string, TensorInfo>,
  dataLength: number,
  fail: Fail,
): void {
  const inOrder = [...tensors].sort(([, a], [, b]) =>
    a.begin - b.begin || a.end - b.end
  );
  let covered = 0;
  for (const [name, { begin, end }] of inOrder) {
    if (begin < covered) {
      throw fail(`the data of tensor ${show(name)} overlap those of another`);
    }
    if (begin > covered) {
      throw fail(
        `bytes ${covered} to ${begin} before tensor ${
          show(name)
        } belong to no tensor`,
      );
    }
    covered = end;
  }
  if (covered !== dataLength) {
    throw fail(
      `bytes ${covered} to ${dataLength} after the last tensor belong to no tensor`,
    );
  }
}

/**
 * The first key that occurs twice in an object of a JSON text. `JSON.parse` keeps
 * the last one silently, so two readers could read two different models.
 *
 * @param text Valid JSON.
 */
function duplicateKey(text: string): string | undefined {
  const keysOfOpenObjects: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "{") keysOfOpenObjects.push(new Set());
    else if (text[i] === "}") keysOfOpenObjects.pop();
    if (text[i] !== '"') continue;
    const start = i++;
    while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
    let next = i + 1;
    while (" \t\n\r".includes(text[next])) next++;
    if (text[next] !== ":") continue;
    // Escapes are resolved first: "a" and "\u0061" are one name.
    const key: string = JSON.parse(text.slice(start, i + 1));
    const keys = keysOfOpenObjects.at(-1)!;
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a list of integers ≥ 0 that float64 holds exactly. */
function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) &&
    value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * A JSON value on one short line. Lists in lists are not followed: nested deeply
 * enough they would exhaust the stack.
 */
function show(value: unknown): string {
  let text: string;
  if (Array.isArray(value)) {
    text = `[${value.map((v) => typeof v === "object" ? "…" : show(v))}]`;
  } else if (value === undefined) {
    text = "missing";
  } else if (typeof value === "object" && value !== null) {
    text = "an object";
  } else {
    text = JSON.stringify(value);
  }
  return text.length > 60 ? text.slice(0, 60) + "…" : text;
}
