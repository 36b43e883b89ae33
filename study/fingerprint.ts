/** Fingerprints that identify a model's weights, or a set of questions. */

import type { SampleSet } from "../eval/mod.ts";
import type { TensorStore } from "../core/mod.ts";
import { canonicalJson, hashOf } from "../store/mod.ts";
import type { LoadedModel } from "./load.ts";

/** Tensors with at most this many numbers are read whole. */
const WHOLE = 2 ** 16;

/**
 * The fingerprint of a model: a hash of its configuration, of the name and
 * shape of each tensor, and of its numbers. Of a large tensor only the middle
 * row is hashed: reading all of a 7B model takes minutes, and training changes
 * every row.
 *
 * @returns 64 hexadecimal digits
 */
export async function modelFingerprint(
  { source: { config, normalization, tensors } }: Pick<LoadedModel, "source">,
): Promise<string> {
  const hashes: unknown[] = [];
  for (const name of [...tensors.tensors.keys()].sort()) {
    const { shape } = tensors.tensors.get(name)!;
    hashes.push([name, shape, await hashOfTensor(tensors, name, shape)]);
  }
  return await hashOf(
    canonicalJson({ config, normalization, hashes }, "model"),
  );
}

async function hashOfTensor(
  tensors: TensorStore,
  name: string,
  shape: readonly number[],
): Promise<string | null> {
  const isWhole = shape.reduce((product, size) => product * size, 1) <= WHOLE;
  const rows = { start: Math.floor(shape[0] / 2), length: 1 };
  let values: Float32Array;
  try {
    values = await tensors.read(name, isWhole ? undefined : rows);
  } catch {
    // The model was loaded, so it does not need a tensor that cannot be read.
    return null;
  }
  return await hashOf(bytesOf(values));
}

/** Sets are large, and their fingerprints are requested often. */
const known = new WeakMap<SampleSet, Promise<string>>();

/**
 * The fingerprint of questions: a hash of the pictures as the model sees them,
 * and of the tokens of questions and right answers.
 *
 * @returns 64 hexadecimal digits
 */
export function questionsFingerprint(set: SampleSet): Promise<string> {
  let hash = known.get(set);
  if (hash === undefined) known.set(set, hash = hashOfQuestions(set));
  return hash;
}

async function hashOfQuestions(
  { images, samples }: SampleSet,
): Promise<string> {
  const pictures: unknown[] = [];
  for (const tiles of images) {
    const hashes: unknown[] = [];
    for (const { width, height, data } of tiles) {
      hashes.push([width, height, await hashOf(bytesOf(data))]);
    }
    pictures.push(hashes);
  }
  const asked = samples.map(({ image, prompt: { before, after }, answer }) => [
    image,
    before,
    after,
    answer,
  ]);
  return await hashOf(canonicalJson({ pictures, asked }, "questions"));
}

/** Copies the bytes, because hashing refuses memory that workers share. */
function bytesOf(
  { buffer, byteOffset, byteLength }: ArrayBufferView,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}
