// A model's folder in Hugging Face's layout: config.json, generation_config.json,
// preprocessor_config.json or processor_config.json, tokenizer.json, and the
// weights in one model.safetensors or in several with an index beside them.
// model_directory.ts checks the contents of the files.

import type { Span } from "../core/backend.ts";
import type { ModelConfig } from "../core/config.ts";
import { parseModelConfig } from "../core/families.ts";
import {
  openSafetensors,
  type TensorStore,
} from "../core/checkpoints/safetensors.ts";
import {
  type Folder,
  type JsonFile,
  readJsonIn,
  readTextIn,
  required,
} from "./folder.ts";

/** The files of a model's folder. */
export interface Checkpoint {
  /** config.json; more of it is read than `model` holds. */
  readonly config: JsonFile;
  /** The model as config.json describes it. */
  readonly model: ModelConfig;
  /** generation_config.json; null where there is none. */
  readonly generation: JsonFile | null;
  /** How images are prepared, unchecked; null where no file has it. */
  readonly preprocessor: JsonFile | null;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** The weights of all files; a tensor is read when it is needed. */
  readonly weights: TensorStore;
}

const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * Opens a model's folder. Reads the small files and the headers of the large.
 *
 * @param folder The folder.
 * @returns Its files.
 * @throws {Error} If a file is missing.
 * @throws {SyntaxError} If a file is not what its name says.
 * @throws {TypeError} If config.json has another structure.
 * @throws {RangeError} If config.json is of a model that cannot be read.
 */
export async function loadCheckpoint(folder: Folder): Promise<Checkpoint> {
  const config = await required(folder, "config.json", readJsonIn);
  return {
    config,
    // A model of an unknown kind is refused before missing files are reported.
    model: parseModelConfig(config.json, config.path),
    generation: await readJsonIn(folder, "generation_config.json"),
    preprocessor: await readPreprocessor(folder),
    tokenizer: await readTokenizer(folder),
    weights: await openWeights(folder),
  };
}

/**
 * The image processor: in processor_config.json, where transformers 5 writes it,
 * else in preprocessor_config.json. transformers looks in the same order.
 */
async function readPreprocessor(folder: Folder): Promise<JsonFile | null> {
  const whole = await readJsonIn(folder, "processor_config.json");
  const parts = whole?.json as Record<string, unknown> | null | undefined;
  if (whole && parts?.image_processor) {
    // The name of the processor stands one level above.
    const { image_processor: nested, processor_class } = parts;
    return { path: whole.path, json: { processor_class, ...nested } };
  }
  return await readJsonIn(folder, "preprocessor_config.json");
}

async function readTokenizer(folder: Folder): Promise<string> {
  const text = await readTextIn(folder, "tokenizer.json");
  if (text !== null) return text;
  throw new Error(
    `Cannot load ${folder.label} as it has no tokenizer.json: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers writes one`,
  );
}

/** The weights of a folder, in one file or in several. */
async function openWeights(folder: Folder): Promise<TensorStore> {
  const single = await openShard(folder, WEIGHTS);
  if (single !== null) return single;
  const index = await readJsonIn(folder, INDEX);
  if (index !== null) return await openShards(folder, index);
  if (await hasPickles(folder)) throw pickleError(folder);
  throw new Error(
    `Cannot load ${folder.label} as it has neither ${WEIGHTS} nor ${INDEX}`,
  );
}

/** Whether a folder has weights in PyTorch's format from before safetensors. */
async function hasPickles(folder: Folder): Promise<boolean> {
  for (const file of ["pytorch_model.bin", "pytorch_model.bin.index.json"]) {
    if (await folder.open(file) !== null) return true;
  }
  return false;
}

/** The error for pickles: to read one is to run a program. */
function pickleError({ label }: Folder): Error {
  return new Error(
    `Cannot load ${label} as its weights must be in ${WEIGHTS}, not in pytorch_model*.bin; to convert them, run there: pip install torch safetensors && python3 -c '${CONVERT}'`,
  );
}

/** Converts all parts to one file; tied weights are written twice. */
const CONVERT = [
  "import glob, torch",
  "from safetensors.torch import save_file",
  'parts = [torch.load(f, map_location="cpu", weights_only=True) for f in glob.glob("pytorch_model*.bin")]',
  `save_file({k: v.clone().contiguous() for p in parts for k, v in p.items()}, "${WEIGHTS}", {"format": "pt"})`,
].join("; ");

/** One safetensors file of a folder. */
async function openShard(
  folder: Folder,
  file: string,
): Promise<TensorStore | null> {
  const bytes = await folder.open(file);
  return bytes && await openSafetensors(bytes, `${folder.label}/${file}`);
}

/** Several safetensors files, put together by the index's `weight_map`. */
async function openShards(
  folder: Folder,
  { path, json }: JsonFile,
): Promise<TensorStore> {
  const directory = folder.label;
  const shardOf = parseWeightMap(json, path);
  const shards = new Map<string, TensorStore>();
  const tensors = new Map<string, { readonly shape: readonly number[] }>();
  for (const [name, file] of shardOf) {
    const shard = shards.get(file) ??
      await required(folder, file, openShard);
    shards.set(file, shard);
    const info = shard.tensors.get(name);
    if (info === undefined) {
      throw new SyntaxError(
        `Cannot load ${directory} as ${INDEX} puts tensor "${name}" into ${file}, which does not have it`,
      );
    }
    tensors.set(name, info);
  }
  for (const [file, shard] of shards) {
    for (const [name, info] of shard.tensors) {
      // Tensors that the index omits are loaded too; the loader judges them.
      const indexed = shardOf.get(name) ?? file;
      if (indexed !== file) {
        throw new SyntaxError(
          `Cannot load ${directory} as tensor "${name}" is in both ${indexed} and ${file}`,
        );
      }
      shardOf.set(name, file);
      tensors.set(name, info);
    }
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
  if (map === undefined) {
    throw new SyntaxError(`Cannot read ${path} as it has no "weight_map"`);
  }
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new SyntaxError(
      `Cannot read ${path} as "weight_map" must be an object: current value is ${
        JSON.stringify(map)
      }`,
    );
  }
  for (const [name, file] of Object.entries(map)) {
    // A name with a path would let a checkpoint read any file.
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
