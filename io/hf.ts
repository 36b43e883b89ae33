// A model's folder as Hugging Face lays it out: config.json,
// preprocessor_config.json, tokenizer.json, and the weights in one
// model.safetensors or in several with an index beside them.

import type { Span } from "../core/backend.ts";
import { openSafetensors, type TensorStore } from "../core/safetensors.ts";
import { isFile, openFile, readJson, readText } from "./files.ts";

/** What a model's folder holds. */
export interface Checkpoint {
  /** config.json, unchecked. */
  readonly config: unknown;
  /** preprocessor_config.json, unchecked. */
  readonly preprocessor: unknown;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** The weights of all files; read when asked for. */
  readonly weights: TensorStore;
}

const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * Opens a model's folder. Reads the small files and the headers of the large.
 *
 * @param directory The folder.
 * @returns What it holds.
 * @throws {Error} If a file is missing.
 * @throws {SyntaxError} If a file is not what its name says.
 */
export async function loadCheckpoint(directory: string): Promise<Checkpoint> {
  return {
    config: await readJson(`${directory}/config.json`),
    preprocessor: await readJson(`${directory}/preprocessor_config.json`),
    tokenizer: await readText(`${directory}/tokenizer.json`),
    weights: await openWeights(directory),
  };
}

/** The weights of a folder, whichever way they are stored. */
async function openWeights(directory: string): Promise<TensorStore> {
  if (await isFile(`${directory}/${WEIGHTS}`)) {
    return await openShard(directory, WEIGHTS);
  }
  if (await isFile(`${directory}/${INDEX}`)) {
    return await openShards(directory);
  }
  throw new Error(
    `Cannot load ${directory} as it has neither ${WEIGHTS} nor ${INDEX}`,
  );
}

/** One safetensors file of a folder. */
async function openShard(
  directory: string,
  file: string,
): Promise<TensorStore> {
  const path = `${directory}/${file}`;
  return await openSafetensors(await openFile(path), path);
}

/** Several safetensors files, put together by the index's `weight_map`. */
async function openShards(directory: string): Promise<TensorStore> {
  const path = `${directory}/${INDEX}`;
  const shardOf = parseWeightMap(await readJson(path), path);
  const shards = new Map<string, TensorStore>();
  const tensors = new Map<string, { readonly shape: readonly number[] }>();
  for (const [name, file] of shardOf) {
    const shard = shards.get(file) ?? await openShard(directory, file);
    shards.set(file, shard);
    const info = shard.tensors.get(name);
    if (info === undefined) {
      throw new SyntaxError(
        `Cannot load ${directory} as ${INDEX} puts tensor "${name}" into ${file}, which does not have it`,
      );
    }
    tensors.set(name, info);
  }
  return {
    tensors,
    async read(name: string, rows?: Span): Promise<Float32Array> {
      const file = shardOf.get(name);
      if (file === undefined) {
        throw new RangeError(
          `Cannot read tensor "${name}" as ${path} has no tensor of that name`,
        );
      }
      return await shards.get(file)!.read(name, rows);
    },
  };
}

/** `{"weight_map": {tensor: file}}`; the files lie in the index's own folder. */
function parseWeightMap(index: unknown, path: string): Map<string, string> {
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new SyntaxError(`Cannot read ${path} as it has no "weight_map"`);
  }
  for (const [name, file] of Object.entries(map)) {
    // A name that leaves the folder would let a checkpoint read any file.
    if (typeof file !== "string" || !/^[\w-][\w.-]*$/.test(file)) {
      throw new SyntaxError(
        `Cannot read ${path} as the file of tensor "${name}" must be a plain file name: current value is ${
          JSON.stringify(file)
        }`,
      );
    }
  }
  return new Map(Object.entries(map));
}
