/** What tells a model's weights, and questions, from others. */

import type { SampleSet } from "../eval/mod.ts";
import type { TensorStore } from "../core/mod.ts";
import { canonicalJson, hashOf } from "../store/mod.ts";
import type { LoadedModel } from "./load.ts";

/** Numbers of a tensor that are read whole. */
const WHOLE = 2 ** 16;

/**
 * What tells a model from others: its configuration, the name and shape of each
 * tensor, and its numbers; of a large tensor the row in the middle, since reading
 * all of a 7B model takes minutes, and training changes every row.
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
    // The model was loaded, so it needs no tensor that cannot be read.
    return null;
  }
  return await hashOf(bytesOf(values));
}

/** Sets are large, and asked about often. */
const known = new WeakMap<SampleSet, Promise<string>>();

/**
 * What tells questions from others: pictures as the model sees them, and the
 * tokens of questions and right answers.
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

/** A copy, as hashing refuses memory that workers share. */
function bytesOf(
  { buffer, byteOffset, byteLength }: ArrayBufferView,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}
