// The safetensors file format: 8 bytes with the header's length, a JSON header
// that names every tensor with its type, shape and place, then the numbers.
// Reads the number types of model weights (F32, F16, BF16), one tensor at a time,
// and widens them to float32. Does not write, and does not cache.
// Source: the format's description, github.com/huggingface/safetensors; the
// checks of the header are in safetensors_header.ts.
// This module is browser compatible.

import type { Span } from "../backend.ts";
import { type ByteSource, readExactly } from "./bytes.ts";
import { widenBfloat16, widenFloat16 } from "./half.ts";
import { parseHeader, type TensorInfo } from "./safetensors_header.ts";

export type { TensorInfo } from "./safetensors_header.ts";

/** Tensors by name, read on request. */
export interface TensorStore {
  /** All tensors, by their names in the checkpoint. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /**
   * Reads one tensor, in row-major order, or some of its rows (a row is one index
   * of the first dimension). The caller owns the array.
   *
   * @throws {RangeError} If there is no such tensor, or a number that was read is
   *   NaN or ±Infinity.
   * @throws {TypeError} If its numbers are not F32, F16 or BF16.
   */
  read(name: string, rows?: Span): Promise<Float32Array>;
}

/** An open safetensors file. */
export interface SafetensorsFile extends TensorStore {
  /** All tensors, with type and place. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The header's `__metadata__`; empty if it is missing. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The limit of the official reader: a longer header is an attack, or no header. */
const MAX_HEADER_BYTES = 100_000_000;

/** How many numbers are read and widened at once (16 MiB of F32). */
const CHUNK = 1 << 22;

/** Converts the numbers of a type to float32; `bytes` are aligned to their size. */
const WIDEN: Readonly<
  Record<string, (bytes: Uint8Array, out: Float32Array) => void>
> = {
  // The format is little-endian, as is every machine with a typed array today.
  F32: (bytes, out) =>
    out.set(new Float32Array(bytes.buffer, bytes.byteOffset, out.length)),
  F16: (bytes, out) =>
    widenFloat16(
      new Uint16Array(bytes.buffer, bytes.byteOffset, out.length),
      out,
    ),
  BF16: (bytes, out) =>
    widenBfloat16(
      new Uint16Array(bytes.buffer, bytes.byteOffset, out.length),
      out,
    ),
};

/**
 * Opens a safetensors file: reads and checks its header, no tensor yet.
 *
 * @example Read one tensor
 * ```ts ignore
 * import { bytesInMemory, openSafetensors } from "@tokensieve/tokensieve/core";
 *
 * const bytes = new Uint8Array(await (await fetch("model.safetensors")).arrayBuffer());
 * const file = await openSafetensors(bytesInMemory(bytes), "model.safetensors");
 * const head = await file.read("language_model.lm_head.weight");
 * ```
 *
 * @param source The file's bytes.
 * @param label The file's name in errors, usually its path.
 * @returns The file, ready to read tensors from.
 * @throws {SyntaxError} If the bytes are not a well-formed safetensors file.
 */
export async function openSafetensors(
  source: ByteSource,
  label: string,
): Promise<SafetensorsFile> {
  const fail = (reason: string) =>
    new SyntaxError(`Cannot open ${label} as ${reason}`);
  if (source.length < 8) {
    throw fail(
      `a safetensors file has at least 8 bytes: current length is ${source.length}`,
    );
  }
  const first8 = await readExactly(source, 0, 8, label);
  const headerLength = Number(
    new DataView(first8.buffer, first8.byteOffset).getBigUint64(0, true),
  );
  if (headerLength > MAX_HEADER_BYTES) {
    throw fail(
      `the header must have at most ${MAX_HEADER_BYTES} bytes: current length is ${headerLength}`,
    );
  }
  const dataOffset = 8 + headerLength;
  if (dataOffset > source.length) {
    throw fail(
      `the header ends at byte ${dataOffset} and the file at byte ${source.length}`,
    );
  }
  const header = parseHeader(
    await readExactly(source, 8, headerLength, label),
    source.length - dataOffset,
    label,
  );
  return {
    tensors: header.tensors,
    metadata: header.metadata,
    read(name: string, rows?: Span): Promise<Float32Array> {
      const tensor = header.tensors.get(name);
      return readTensor(source, dataOffset, tensor, { name, rows, label });
    },
  };
}

/** Reads a tensor in chunks, so that only its float32 form is held whole. */
async function readTensor(
  source: ByteSource,
  dataOffset: number,
  info: TensorInfo | undefined,
  { name, rows, label }: {
    readonly name: string;
    readonly rows: Span | undefined;
    readonly label: string;
  },
): Promise<Float32Array> {
  if (info === undefined) {
    throw new RangeError(
      `Cannot read tensor "${name}" as ${label} has no tensor of that name`,
    );
  }
  const widen = WIDEN[info.dtype];
  if (widen === undefined) {
    throw new TypeError(
      `Cannot read tensor "${name}" of ${label} as its type must be F32, F16 or BF16: current type is ${info.dtype}`,
    );
  }
  const all = info.shape.reduce((product, n) => product * n, 1);
  const size = (info.end - info.begin) / all;
  const width = rows ? all / info.shape[0] : 1;
  const { start: first, length } = rows ?? { start: 0, length: all };
  const out = new Float32Array(length * width);
  for (let start = 0; start < out.length; start += CHUNK) {
    const outChunk = out.subarray(start, start + CHUNK);
    const bytes = await readExactly(
      source,
      dataOffset + info.begin + (first * width + start) * size,
      outChunk.length * size,
      label,
    );
    // A view on a larger buffer may start anywhere, a typed array may not.
    widen(bytes.byteOffset % size === 0 ? bytes : bytes.slice(), outChunk);
    const i = firstNonFinite(outChunk);
    if (i !== -1) {
      throw new RangeError(
        `Cannot read tensor "${name}" of ${label} as weights must be finite: current value at index ${
          first * width + start + i
        } is ${outChunk[i]}`,
      );
    }
  }
  return out;
}

/** Index of the first NaN or ±Infinity, −1 where there is none. */
function firstNonFinite(values: Float32Array): number {
  // x − x is 0 for every finite number and NaN for all others.
  for (let i = 0; i < values.length; i++) {
    if (values[i] - values[i] !== 0) return i;
  }
  return -1;
}
