/**
 * Loads checkpoints of real size, with random numbers in the shapes and layouts
 * of InternVL2-1B and LLaVA-1.5-7B: how fast they load, how much memory that
 * takes, what fewer bits cost in accuracy, and how InternVL2-1B answers on the
 * CPU backend.
 *
 *     deno task bench:load                # takes 16 GB of disk for a while
 *     deno task bench:load --shapes 1b --weights int8,int4 --tiles 1
 *     deno task bench:load --directory /data
 *
 * Each measurement runs in a process of its own, because Linux counts the peak
 * memory of a process. Processor time is the sum over all threads; on a shared
 * machine it says more than wall time.
 */
// deno-lint-ignore-file no-console

import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import {
  type Backend,
  createRandom,
  embedPrompts,
  embedTiles,
  fullSchedule,
  generate,
  loadVisionLanguageModel,
  type ModelSource,
  narrowFloat16,
  parseNormalization,
  prefill,
  type RowUpload,
  scaleSchedule,
  type Schedule,
  storedValues,
  type Tensor,
  type Weight,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { loadCheckpoint, openFolder } from "../io/mod.ts";
import { formatTable } from "../report/mod.ts";
import { internVlBounds } from "../tests/_published.ts";
import {
  internVl2Config,
  llava7bConfig,
  qwen2Config,
} from "../tests/_published_configs.ts";
import {
  internVl2Tensors,
  llavaTensors,
  type NamedShape,
} from "../tests/_published_tensors.ts";

/** A published checkpoint without its numbers. */
interface CheckpointShape {
  readonly name: string;
  readonly config: unknown;
  readonly type: "BF16" | "F16";
  /** Bytes of the largest file. */
  readonly shardBytes: number;
  readonly tensors: readonly NamedShape[];
}

/** The checkpoints by their names in `--shapes`. */
const SHAPES: Readonly<Record<string, CheckpointShape>> = {
  "1b": {
    name: "InternVL2-1B",
    config: internVl2Config(qwen2Config),
    type: "BF16",
    shardBytes: 1e9,
    tensors: internVl2Tensors,
  },
  "7b": {
    name: "LLaVA-1.5-7B",
    config: llava7bConfig,
    type: "F16",
    shardBytes: 5e9,
    tensors: llavaTensors,
  },
};

const product = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Whether a tensor is the weight of a linear layer. */
const isLinear = ([name, shape]: NamedShape): boolean =>
  shape.length > 1 && !/embed_tokens|class_emb|position_emb/.test(name);

// Writing a checkpoint.

/** Numbers that are written at once. */
const CHUNK = 1 << 22;

/** Writes a checkpoint of random numbers. The seed determines them. */
async function writeCheckpoint(
  directory: string,
  { config, type, shardBytes, tensors }: CheckpointShape,
  seed: number,
): Promise<void> {
  const shards: NamedShape[][] = [];
  let filled = Infinity;
  for (const tensor of tensors) {
    const bytes = 2 * product(tensor[1]);
    if (filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(tensor);
    filled += bytes;
  }
  const draw = createDraw(seed, type);
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file = `model-${i + 1}-of-${shards.length}.safetensors`;
    for (const [name] of shard) weightMap[name] = file;
    await writeShard(`${directory}/${file}`, shard, type, draw);
  }
  const small = {
    "config.json": config,
    "preprocessor_config.json": {
      "image_mean": [0.485, 0.456, 0.406],
      "image_std": [0.229, 0.224, 0.225],
    },
    "tokenizer.json": {}, // prompts are token ids
    "model.safetensors.index.json": { "weight_map": weightMap },
  };
  for (const [name, content] of Object.entries(small)) {
    await Deno.writeTextFile(`${directory}/${name}`, JSON.stringify(content));
  }
}

/** Fills an array with the bits of random numbers for a tensor. */
type Draw = (tensor: NamedShape, out: Uint16Array) => void;

async function writeShard(
  path: string,
  tensors: readonly NamedShape[],
  type: string,
  draw: Draw,
): Promise<void> {
  // The official writer sorts tensors of one type by name.
  const sorted = tensors.toSorted(([a], [b]) => a < b ? -1 : 1);
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, shape] of sorted) {
    const begin = end;
    end += 2 * product(shape);
    header[name] = { dtype: type, shape, "data_offsets": [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new BigUint64Array([BigInt(json.length)]);
  const file = await Deno.open(path, { write: true, create: true });
  const writer = file.writable.getWriter();
  await writer.write(new Uint8Array(length.buffer));
  await writer.write(json);
  const buffer = new Uint16Array(CHUNK);
  for (const tensor of sorted) {
    for (let left = product(tensor[1]); left > 0; left -= CHUNK) {
      const chunk = buffer.subarray(0, left);
      draw(tensor, chunk);
      await writer.write(new Uint8Array(chunk.buffer, 0, chunk.byteLength));
    }
  }
  await writer.close();
}

/**
 * Draws from 65,536 normal numbers that are made once, two of them for each
 * random word: some hundred million numbers a second.
 */
function createDraw(seed: number, type: CheckpointShape["type"]): Draw {
  const random = createRandom(seed);
  const normal = Float32Array.from({ length: 1 << 16 }, () => random.normal());
  return ([name, shape], out) => {
    const isNorm = shape.length === 1 && name.endsWith(".weight");
    const isScale = /\.ls\d$/.test(name);
    const mean = isNorm ? 1 : isScale ? 0.1 : 0;
    const deviation = isLinear([name, shape])
      ? 1 / Math.sqrt(product(shape.slice(1)))
      : isScale
      ? 0.002
      : 0.02;
    const values = normal.map((x) => mean + deviation * x);
    const bits = type === "F16" ? narrowFloat16(values) : roundBfloat16(values);
    let word = random.word() | 1;
    for (let i = 0; i < out.length; i += 2) {
      // Marsaglia's xorshift: good enough to pick numbers.
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      out[i] = bits[word & 0xffff];
      out[i + 1] = bits[word >>> 16];
    }
  };
}

/** The upper halves of floats, rounded to the nearest. */
function roundBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer);
  return Uint16Array.from(bits, (word) => (word + 0x8000) >>> 16);
}

// Measurements, each in a process of its own.

/** Time that something took, in seconds. */
interface Duration {
  readonly wall: number;
  readonly processor: number;
}

async function timed<T>(
  run: () => Promise<T>,
): Promise<Duration & { readonly result: T }> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await run();
  const { user, system } = process.cpuUsage(before);
  const wall = (performance.now() - start) / 1e3;
  return { wall, processor: (user + system) / 1e6, result };
}

/** The most bytes of memory that this process has had. */
function peakMemory(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

/** Reads all weights from beginning to end; how many bytes, and how long. */
async function read(directory: string): Promise<Duration & { bytes: number }> {
  const buffer = new Uint8Array(1 << 23);
  const { result: bytes, wall, processor } = await timed(async () => {
    let bytes = 0;
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.endsWith(".safetensors")) continue;
      using file = await Deno.open(`${directory}/${name}`);
      for (let count; (count = await file.read(buffer)) !== null;) {
        bytes += count;
      }
    }
    return bytes;
  });
  return { wall, processor, bytes };
}

async function openSource(directory: string): Promise<ModelSource> {
  const { model, preprocessor, weights } = await loadCheckpoint(
    openFolder(directory),
  );
  return {
    config: model,
    normalization: parseNormalization(preprocessor?.json),
    tensors: weights,
    label: directory,
  };
}

/**
 * Loads a model onto the CPU backend and frees each tensor before the next one:
 * all together may need more memory than WebAssembly has.
 */
async function drop(
  directory: string,
  weightType: WeightType,
): Promise<Duration & { peak: number }> {
  const backend = createCpuBackend({ weightType });
  let last: Tensor | Weight | undefined;
  const alone = <T extends Tensor | Weight>(
    begin: (shape: readonly number[]) => RowUpload<T>,
  ) =>
  (shape: readonly number[]): RowUpload<T> => {
    if (last) backend.free([last]);
    const upload = begin(shape);
    last = upload.tensor;
    return upload;
  };
  const dropping: Backend = {
    ...backend,
    uploadRows: alone(backend.uploadRows),
    uploadWeightRows: alone(backend.uploadWeightRows),
  };
  const { wall, processor } = await timed(async () =>
    await loadVisionLanguageModel(dropping, await openSource(directory))
  );
  return { wall, processor, peak: peakMemory() };
}

/** An answer under a schedule. */
interface Answer {
  readonly schedule: string;
  readonly prefill: Duration;
  readonly decode: Duration;
  /** The generated tokens. */
  readonly ids: readonly number[];
  /** Logits after the prompt. */
  readonly logits: readonly number[];
}

/** Answers about one image, and what loading the model took. */
interface Answering {
  readonly loading: Duration & { peak: number; used: number };
  readonly vision: Duration;
  /** Tokens of the prompt, vision tokens included. */
  readonly length: number;
  readonly answers: readonly Answer[];
  /** The most bytes of memory at the end. */
  readonly peak: number;
}

/** Tokens before the image and after it, as in InternVL2's template. */
const [BEFORE, AFTER] = [45, 35];

/** Tokens to generate. */
const TOKENS = 8;

/** Answers a random question about a random image. */
async function answer(
  directory: string,
  weightType: WeightType,
  tileCount: number,
): Promise<Answering> {
  const backend = createCpuBackend({ weightType });
  const { result: model, ...load } = await timed(async () =>
    await loadVisionLanguageModel(backend, await openSource(directory))
  );
  const loading = { ...load, peak: peakMemory(), used: backend.memoryUsed };
  const { vision: { imageSize: side }, decoder } = model.config;
  const random = createRandom(8);
  const tiles = Array.from({ length: tileCount }, () => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: 3 * side * side }, () => random.below(256)),
  }));
  const { result: tokens, ...vision } = await timed(async () => {
    const tokens = embedTiles(model, [tiles]);
    await backend.read(backend.sliceRows(tokens, { start: 0, length: 1 }));
    return tokens;
  });
  const words = (length: number): number[] =>
    Array.from({ length }, () => random.below(decoder.vocabulary));
  const prompt = { before: words(BEFORE), after: words(AFTER) };
  const N = tokens.shape[1];
  const { most } = internVlBounds("InternVL2-1B");
  const schedules: readonly [string, Schedule][] = [
    ["unreduced", fullSchedule(decoder.layers, N)],
    ["the paper's rates", scaleSchedule(most, N)],
  ];
  const answers: Answer[] = [];
  for (const [name, schedule] of schedules) {
    const state = embedPrompts(model, tokens, [prompt]);
    const { result: [context, logits], ...prefillTime } = await timed(
      async () => {
        const context = prefill(model, state, schedule);
        return [context, await backend.read(context.logits)] as const;
      },
    );
    const { result: ids, ...decode } = await timed(() =>
      Array.fromAsync(
        generate(model, context, { stopTokens: [], maxTokens: TOKENS }),
      )
    );
    answers.push({
      schedule: name,
      prefill: prefillTime,
      decode,
      ids,
      logits: [...logits],
    });
  }
  const length = BEFORE + N + AFTER;
  return { loading, vision, length, answers, peak: peakMemory() };
}

/** Runs a measurement in a new process. */
async function measure<T>(...task: (string | number)[]): Promise<T> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      import.meta.filename!,
      "--measure",
      ...task.map(String),
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure ${task.join(" ")}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

// The report.

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
const seconds = ({ wall, processor }: Duration): string[] => [
  wall.toFixed(1),
  processor.toFixed(1),
];
const processorTime = (duration: Duration): string =>
  seconds(duration).join(" s, processor ") + " s";

/** Tokens per second of processor time. */
const rate = (tokens: number, { processor }: Duration): string =>
  (tokens / processor).toFixed(1);

/** Sums of squares: of the differences, and of `expected`. */
function squares(values: Float32Array, expected: ArrayLike<number>): number[] {
  let [errors, sum] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    errors += (values[i] - expected[i]) ** 2;
    sum += expected[i] ** 2;
  }
  return [errors, sum];
}

const relativeError = (errors: number, sum: number): string =>
  Math.sqrt(errors / sum).toExponential(1);

/** The relative error of stored weights, measured on every 16th row. */
async function weightError(
  directory: string,
  type: WeightType,
  tensors: readonly NamedShape[],
): Promise<string> {
  const { tensors: store } = await openSource(directory);
  let [errors, sum] = [0, 0];
  for (const [name, shape] of tensors.filter(isLinear)) {
    for (let start = 0; start < shape[0]; start += 16) {
      const row = await store.read(name, { start, length: 1 });
      const of = squares(storedValues(type, row, row.length), row);
      errors += of[0];
      sum += of[1];
    }
  }
  return relativeError(errors, sum);
}

/** Loading InternVL2-1B in each type, and how the types change its logits. */
async function reportTypes(
  directory: string,
  { tensors }: CheckpointShape,
  reading: Duration,
): Promise<void> {
  const header =
    "weights, load s, processor s, of reading, tensors GB, peak GB, weight error, logit error, decode tokens/s";
  const rows = [header.split(", ")];
  let exact: readonly number[] | undefined;
  for (const type of weightTypes) {
    const { loading, answers: [{ ids, decode, logits }] } = await measure<
      Answering
    >("answer", directory, type, 1);
    if (type === "f32") exact = logits;
    const [errors, sum] = squares(Float32Array.from(logits), exact ?? []);
    rows.push([
      type,
      ...seconds(loading),
      `${(loading.processor / reading.processor).toFixed(1)}x`,
      gigabytes(loading.used),
      gigabytes(loading.peak),
      await weightError(directory, type, tensors),
      exact ? relativeError(errors, sum) : "-",
      rate(ids.length, decode),
    ]);
  }
  console.log(`\n${formatTable(rows)}\n`);
}

/** InternVL2-1B answering a question about an image of several tiles. */
async function reportAnswer(directory: string): Promise<void> {
  const { loading, vision, length, answers, peak } = await measure<Answering>(
    "answer",
    directory,
    "int8",
    tiles,
  );
  console.log(
    `int8 weights, loaded in ${
      processorTime(loading)
    }; ${tiles} tiles through the vision tower in ${
      processorTime(vision)
    }; ${length} tokens in the prompt, ${TOKENS} generated; at most ${
      gigabytes(peak)
    } GB\n`,
  );
  const header =
    "schedule, prefill s, processor s, tokens/s, decode s, processor s, tokens/s, generated";
  console.log(formatTable([
    header.split(", "),
    ...answers.map(({ schedule, prefill, decode, ids }) => [
      schedule,
      ...seconds(prefill),
      rate(length, prefill),
      ...seconds(decode),
      rate(ids.length, decode),
      ids.join(" "),
    ]),
  ]));
}

/** Loading LLaVA-1.5-7B, one tensor at a time. */
async function reportDropping(
  directory: string,
  { tensors }: CheckpointShape,
  reading: Duration,
): Promise<void> {
  const header = "weights, stored GB, s, processor s, of reading, peak GB";
  const rows = [header.split(", ")];
  for (const type of weightTypes) {
    const bytes = tensors.reduce((sum, [name, [O, ...rest]]) => {
      const stored = isLinear([name, [O, ...rest]]) ? type : "f32";
      return sum + weightBytes(stored, [O, product(rest)]);
    }, 0);
    const dropping = await measure<Duration & { peak: number }>(
      "drop",
      directory,
      type,
    );
    rows.push([
      type,
      gigabytes(bytes),
      ...seconds(dropping),
      `${(dropping.processor / reading.processor).toFixed(1)}x`,
      gigabytes(dropping.peak),
    ]);
  }
  console.log(
    `\nThe CPU backend has at most ${
      gigabytes(2 ** 32)
    } GB, so each tensor is freed before the next one:\n\n${formatTable(rows)}`,
  );
}

/** Measures one checkpoint, which lies in a folder only for that time. */
async function report(shape: CheckpointShape): Promise<void> {
  const directory = await Deno.makeTempDir({
    prefix: `${shape.name}-`,
    ...args.directory !== undefined && { dir: args.directory },
  });
  try {
    console.log(`\n${shape.name}, ${shape.type}, in ${directory}`);
    await writeCheckpoint(directory, shape, 1);
    let reading!: Duration & { bytes: number };
    // The system may hold the files after the first time.
    for (const time of ["first", "second"]) {
      reading = await read(directory);
      const { bytes, wall } = reading;
      console.log(
        `Reading ${gigabytes(bytes)} GB, ${time} time: ${
          (bytes / wall / 1e9).toFixed(1)
        } GB/s, ${processorTime(reading)}`,
      );
    }
    if (shape === SHAPES["1b"]) {
      await reportTypes(directory, shape, reading);
      await reportAnswer(directory);
    } else await reportDropping(directory, shape, reading);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const args = parseArgs(Deno.args, {
  string: ["shapes", "weights", "tiles", "directory", "_"],
  boolean: ["measure"],
  default: { shapes: "1b,7b", weights: WEIGHT_TYPES.join(), tiles: "5" },
  unknown(arg: string) {
    if (!arg.startsWith("-")) return true;
    throw new RangeError(`Cannot use ${arg} as there is no such option`);
  },
});
const weightTypes = args.weights.split(",") as WeightType[];
const tiles = Number(args.tiles);

if (args.measure) {
  const [task, directory, type, count] = args._;
  const result = task === "drop"
    ? await drop(directory, type as WeightType)
    : await answer(directory, type as WeightType, Number(count));
  console.log(JSON.stringify(result));
} else {
  const { length, 0: { model } } = cpus();
  const { deno, v8 } = Deno.version;
  console.log(
    `${model}, ${length} cores; Deno ${deno}, V8 ${v8}, ${Deno.build.target}`,
  );
  for (const name of args.shapes.split(",")) await report(SHAPES[name]);
}
