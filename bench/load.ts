/**
 * Loading checkpoints of real size: random numbers in the shape and layout of
 * InternVL2-1B and LLaVA-1.5-7B, written to disk first. How fast they load, how
 * much memory that takes, what fewer bits cost in accuracy, and InternVL2-1B
 * answering a question on the CPU backend.
 *
 *     deno task bench:load                # 16 GB of disk for a while
 *     deno task bench:load --shapes 1b --weights int8,int4 --tiles 1
 *     deno task bench:load --directory /data --keep
 *
 * Every measurement is a process of its own. Processor time is that of all
 * threads; with others on the machine it says more than the clock does.
 */
// deno-lint-ignore-file no-console

import { cpus } from "node:os";
import { parseArgs } from "@std/cli/parse-args";
import { WEIGHT_TYPES, weightBytes, type WeightType } from "../core/mod.ts";
import { formatTable } from "../report/mod.ts";
import type { AnswerOptions } from "./load/answer.ts";
import { generateCheckpoint } from "./load/generate.ts";
import type { Answering, Loading, Reading } from "./load/once.ts";
import { type CheckpointShape, SHAPES } from "./load/shapes.ts";
import type { Duration } from "./load/timing.ts";

const args = parseArgs(Deno.args, {
  string: ["shapes", "weights", "answer", "tiles", "tokens", "directory"],
  boolean: ["keep"],
  default: {
    shapes: "1b,7b",
    weights: WEIGHT_TYPES.join(),
    answer: "int8",
    tiles: "4",
    tokens: "8",
  },
  unknown(arg: string) {
    throw new RangeError(`Cannot use ${arg} as there is no such option`);
  },
});
const weightTypes = args.weights.split(",") as WeightType[];

/** Runs a task of `once.ts`. */
async function once<T>(...task: string[]): Promise<T> {
  const program = new URL("load/once.ts", import.meta.url).pathname;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, ...task],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot go on as ${task.join(" ")} has failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
const seconds = ({ wall, processor }: Duration): string[] => [
  wall.toFixed(1),
  processor.toFixed(1),
];

/** Tokens per second of processor time. */
const rate = (tokens: number, { processor }: Duration): string =>
  (tokens / processor).toFixed(1);

/** Reads the files twice: the system may hold them after the first time. */
async function measureReading(directory: string): Promise<Reading> {
  for (const when of ["first", "again"]) {
    const reading = await once<Reading>("read", directory);
    const rate = reading.bytes / reading.wall / 1e9;
    console.log(
      `Reading ${gigabytes(reading.bytes)} GB, ${when}: ${
        rate.toFixed(1)
      } GB/s, ${seconds(reading).join(" s, processor ")} s`,
    );
    if (when === "again") return reading;
  }
  throw new Error("unreachable");
}

/** Root mean square of the difference, relative to that of `expected`. */
function relativeError(values: Float32Array, expected: Float32Array): number {
  let errors = 0;
  let squares = 0;
  for (const [i, value] of expected.entries()) {
    errors += (values[i] - value) ** 2;
    squares += value ** 2;
  }
  return Math.sqrt(errors / squares);
}

/** Loading InternVL2-1B in each type, and what the types do to its answers. */
async function measureTypes(
  directory: string,
  reading: Reading,
): Promise<void> {
  const rows = [[
    "weights",
    "load s",
    "processor s",
    "of reading",
    "tensors GB",
    "peak GB",
    "weight error",
    "logit error",
    "decode tokens/s",
  ]];
  let exact: Float32Array | undefined;
  for (const type of weightTypes) {
    const logitsFile = `${directory}/logits-${type}`;
    const options = optionsOf({ tiles: 1, logitsFile });
    const { loading, answers: [{ ids, decode }] } = await once<Answering>(
      ...["answer", directory, type, options],
    );
    const { buffer } = await Deno.readFile(logitsFile);
    const logits = new Float32Array(buffer);
    if (type === "f32") exact = logits;
    const error = await once<number>("error", directory, type);
    rows.push([
      type,
      ...seconds(loading),
      `${(loading.processor / reading.processor).toFixed(1)}x`,
      gigabytes(loading.used),
      gigabytes(loading.peak),
      error.toExponential(1),
      exact ? relativeError(logits, exact).toExponential(1) : "-",
      rate(ids.length, decode),
    ]);
  }
  console.log(`\n${formatTable(rows)}\n`);
}

function optionsOf(options: Partial<AnswerOptions>): string {
  const all: AnswerOptions = {
    tiles: Number(args.tiles),
    tokens: Number(args.tokens),
    ...options,
  };
  return JSON.stringify(all);
}

/** InternVL2-1B answering a question. */
async function measureAnswer(directory: string): Promise<void> {
  const answering = await once<Answering>(
    ...["answer", directory, args.answer, optionsOf({})],
  );
  const { loading, tiles, length, vision, answers, peak } = answering;
  console.log(
    `${args.answer} weights, loaded in ${
      seconds(loading).join(" s, processor ")
    } s; ${tiles} tiles through the vision tower in ${
      seconds(vision).join(" s, processor ")
    } s; ${length} tokens in the prompt, ${args.tokens} generated; at most ${
      gigabytes(peak)
    } GB\n`,
  );
  console.log(formatTable([
    [
      "schedule",
      ...["prefill", "decode"].flatMap((step) => [
        `${step} s`,
        "processor s",
        "tokens/s",
      ]),
      "generated",
    ],
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

/** What loading LLaVA-1.5-7B takes, a tensor at a time. */
async function measureDropping(
  { tensors }: CheckpointShape,
  directory: string,
  reading: Reading,
): Promise<void> {
  const rows = [[
    "weights",
    "stored GB",
    "s",
    "processor s",
    "of reading",
    "peak GB",
  ]];
  for (const type of weightTypes) {
    const bytes = tensors.reduce((sum, { name, shape: [O, ...rest] }) => {
      const I = rest.reduce((product, size) => product * size, 1);
      const isLinear = rest.length > 0 && !/embed_tokens/.test(name);
      return sum + weightBytes(isLinear ? type : "f32", [O, I]);
    }, 0);
    const dropping = await once<Loading>("drop", directory, type);
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
    } GB, so each tensor is dropped before the next one comes:\n`,
  );
  console.log(formatTable(rows));
}

console.log(
  `${
    cpus()[0].model
  }, ${cpus().length} cores; Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}`,
);
for (const name of args.shapes.split(",") as (keyof typeof SHAPES)[]) {
  const shape = SHAPES[name];
  const directory = await Deno.makeTempDir({
    prefix: `${shape.name}-`,
    ...args.directory === undefined ? {} : { dir: args.directory },
  });
  try {
    console.log(`\n${shape.name}, ${shape.type}, in ${directory}`);
    await generateCheckpoint(directory, shape, 1);
    const reading = await measureReading(directory);
    if (name === "1b") {
      await measureTypes(directory, reading);
      await measureAnswer(directory);
    } else await measureDropping(shape, directory, reading);
  } finally {
    if (!args.keep) await Deno.remove(directory, { recursive: true });
  }
}
