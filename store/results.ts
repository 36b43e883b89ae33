/** Per-sample results as bytes: 13 for a sample, exact to the last bit. */

import type { Evaluation, SampleResult } from "../search/evaluate.ts";

/** Samples of the whole set, and samples that follow: two 32-bit integers. */
const HEAD_BYTES = 8;
/** Index (32-bit integer), flags (8 bits), loss (64-bit float). */
const SAMPLE_BYTES = 13;
const CORRECT = 1;
const GENERATED = 2;

/**
 * Encodes an evaluation as bytes, little-endian. If a sample has generated
 * tokens, their count and the tokens follow it as 32-bit integers.
 *
 * @param evaluation The evaluation.
 * @returns The bytes.
 * @throws {RangeError} If a value of it is impossible.
 */
export function encodeEvaluation(
  { samples, total }: Evaluation,
): Uint8Array<ArrayBuffer> {
  const length = samples.reduce(
    (sum, { generated }) =>
      sum + SAMPLE_BYTES + (generated ? 4 * (1 + generated.length) : 0),
    HEAD_BYTES,
  );
  const view = new DataView(new ArrayBuffer(length));
  let at = 0;
  const putInteger = (value: number, name: string): void => {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new RangeError(
        `Cannot store an evaluation as ${name} must be an integer in [0, 2^32): current value is ${value}`,
      );
    }
    view.setUint32(at, value, true);
    at += 4;
  };
  putInteger(total, "total");
  putInteger(samples.length, "samples");
  for (const { index, correct, loss, generated } of samples) {
    if (!(loss >= 0 && Number.isFinite(loss))) {
      throw new RangeError(
        `Cannot store an evaluation as loss of sample ${index} must be finite and at least 0: current value is ${loss}`,
      );
    }
    putInteger(index, "index");
    view.setUint8(at, (correct ? CORRECT : 0) | (generated ? GENERATED : 0));
    view.setFloat64(at + 1, loss, true);
    at += 9;
    if (generated) {
      putInteger(generated.length, "generated");
      for (const token of generated) putInteger(token, "token");
    }
  }
  return new Uint8Array(view.buffer);
}

/**
 * Decodes the bytes that {@linkcode encodeEvaluation} returned.
 *
 * @param bytes The bytes, unchanged.
 * @returns The evaluation.
 */
export function decodeEvaluation(bytes: Uint8Array): Evaluation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const integer = (): number => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const total = integer();
  const count = integer();
  const samples: SampleResult[] = [];
  for (let i = 0; i < count; i++) {
    const index = integer();
    const flags = view.getUint8(at);
    const loss = view.getFloat64(at + 1, true);
    at += 9;
    samples.push({
      index,
      correct: (flags & CORRECT) !== 0,
      loss,
      ...(flags & GENERATED) !== 0 &&
        { generated: Array.from({ length: integer() }, integer) },
    });
  }
  return { samples, total };
}
