/**
 * Writes a checkpoint of random numbers to disk, shard by shard, a few megabytes
 * at a time. The numbers follow from the seed.
 */

import { createRandom, narrowFloat16, type Random } from "../../core/mod.ts";
import {
  type CheckpointShape,
  countOf,
  type Draw,
  type TensorShape,
} from "./shapes.ts";

/** Numbers written at once. */
const CHUNK = 1 << 22;

/** Writes the checkpoint's files into a folder that exists; bytes of weights. */
export async function generateCheckpoint(
  directory: string,
  checkpoint: CheckpointShape,
  seed: number,
): Promise<number> {
  const { type, shardBytes, tensors } = checkpoint;
  const draw = createDraws(createRandom(seed), type);
  const shards = splitIntoShards(tensors, shardBytes);
  const weightMap: Record<string, string> = {};
  let bytes = 0;
  for (const [i, shard] of shards.entries()) {
    const number = (n: number): string => `${n}`.padStart(5, "0");
    const file = `model-${number(i + 1)}-of-${
      number(shards.length)
    }.safetensors`;
    bytes += await writeShard(`${directory}/${file}`, shard, type, draw);
    for (const { name } of shard) weightMap[name] = file;
  }
  const small = {
    "config.json": checkpoint.config,
    "preprocessor_config.json": checkpoint.preprocessor,
    "tokenizer.json": {}, // prompts are given as token ids
    "model.safetensors.index.json": {
      metadata: { total_size: bytes },
      weight_map: weightMap,
    },
  };
  for (const [name, content] of Object.entries(small)) {
    await Deno.writeTextFile(`${directory}/${name}`, JSON.stringify(content));
  }
  return bytes;
}

/** Fills shards in the order of the tensors, as `save_pretrained` does. */
function splitIntoShards(
  tensors: readonly TensorShape[],
  shardBytes: number,
): TensorShape[][] {
  const shards: TensorShape[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    const bytes = 2 * countOf(tensor);
    if (filled > 0 && filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(tensor);
    filled += bytes;
  }
  return shards;
}

/** Fills an array with the bits of random numbers. */
type Fill = (out: Uint16Array<ArrayBuffer>) => void;

async function writeShard(
  path: string,
  tensors: readonly TensorShape[],
  type: string,
  draw: (like: Draw) => Fill,
): Promise<number> {
  // The official writer has tensors of one type in the order of their names.
  const sorted = tensors.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const tensor of sorted) {
    const { name, shape } = tensor;
    const begin = end;
    end += 2 * countOf(tensor);
    header[name] = { dtype: type, shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(
    text.padEnd(8 * Math.ceil(text.length / 8)),
  );
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);

  using file = await Deno.open(path, { write: true, create: true });
  await writeAll(file, length);
  await writeAll(file, json);
  const buffer = new Uint16Array(CHUNK);
  for (const tensor of sorted) {
    const fill = draw(tensor);
    for (let left = countOf(tensor); left > 0; left -= CHUNK) {
      const chunk = buffer.subarray(0, left);
      fill(chunk);
      await writeAll(file, new Uint8Array(chunk.buffer, 0, chunk.byteLength));
    }
  }
  return end;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done));
  }
}

/**
 * Draws from 65,536 numbers that are made once, two for every random word: some
 * hundred million numbers a second.
 */
function createDraws(
  random: Random,
  type: CheckpointShape["type"],
): (like: Draw) => Fill {
  const normal = Float32Array.from({ length: 1 << 16 }, () => random.normal());
  return ({ mean, deviation }) => {
    const values = normal.map((x) => mean + deviation * x);
    const bits = type === "F16" ? narrowFloat16(values) : roundBfloat16(values);
    return (out) => {
      let word = random.word() | 1;
      for (let i = 0; i < out.length; i += 2) {
        // Marsaglia's xorshift, good enough to pick numbers by.
        word ^= word << 13;
        word ^= word >>> 17;
        word ^= word << 5;
        out[i] = bits[word & 0xffff];
        out[i + 1] = bits[word >>> 16];
      }
    };
  };
}

/** Upper halves of floats, rounded to the nearest. */
function roundBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => (word + 0x8000) >>> 16);
}
