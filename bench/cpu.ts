/**
 * Speed of the CPU backend's kernels on one thread, beside the limits of the
 * machine and beside other libraries:
 *
 *     deno task bench:cpu
 *     deno task bench:cpu --rounds 21 --peers tfjs,onnxruntime-node
 *
 * All must compute the same numbers first. Then they take turns of about equal
 * length. Processor time is measured. Medians of the rounds are printed, and the
 * best rounds: on a shared machine these are the ones without disturbed caches.
 */
// deno-lint-ignore-file no-console

import { cpus } from "node:os";
import { parseArgs } from "@std/cli/parse-args";
import {
  createReferenceBackend,
  multiplyInBlocks,
  type Tensor,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { formatTable } from "../report/mod.ts";
import { assertClose } from "../tests/_compare.ts";
import { bytesOf, prepareArithmetic, prepareReading } from "./cpu_limit.ts";
import {
  attentionInputs,
  flopOf,
  linearInputs,
  type LinearWork,
  nameOf,
  type Prepared,
  type Work,
} from "./peers/kernels/work.ts";
import {
  least,
  median,
  type Peer,
  runHere,
  type Runner,
  runThere,
  startLibrary,
  takeTurns,
} from "./turns.ts";

const linear = (M: number, I: number, O: number): LinearWork => ({
  operation: "linear",
  M,
  I,
  O,
  weightType: "f32",
});
/** The products of decoding a token. */
const ROW = linear(1, 4096, 4096);
const WORKS: readonly Work[] = [
  linear(512, 512, 512),
  linear(1024, 1024, 1024),
  linear(145, 128, 384),
  linear(160, 320, 128),
  ROW,
  { operation: "attention", S: 1024, H: 8, E: 64 },
];

const PEERS = ["tfjs", "onnxruntime-web", "jax-js", "onnxruntime-node"];

/** Aimed length of one measurement, in seconds. */
const SECONDS = 0.05;

/** Other libraries sum in another order: the tolerance of 4096 products. */
const TOLERANCE = { relative: 1e-4, absolute: 1e-4 };

/** The library, with its inputs in place. */
function prepareOurs(work: Work, weightType: WeightType = "f32"): Prepared {
  const backend = createCpuBackend({ weightType });
  let compute: () => Tensor;
  if (work.operation === "linear") {
    const { M, I, O } = work;
    const inputs = linearInputs(work);
    const x = backend.upload(inputs.x, [M, I]);
    const weight = backend.uploadWeight(inputs.weight, [O, I]);
    compute = () => backend.linear(x, weight);
  } else {
    const { S, H, E } = work;
    const { q, k, v } = attentionInputs(work);
    const [qT, kT, vT] = [q, k, v].map((x) => backend.upload(x, [1, S, H * E]));
    compute = () => backend.attention(qT, kT, vT, { headWidth: E });
  }
  return {
    run(times) {
      for (let i = 0; i < times; i++) backend.free([compute()]);
    },
    result: () => backend.read(compute()),
    free: () => {},
  };
}

async function startPeers(names: readonly string[]): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const name of names) {
    try {
      peers.push(await startLibrary(name));
    } catch (error) {
      console.log(`Without ${name}: ${error}`);
    }
  }
  return peers;
}

/** The seconds of a row's runners: the limits, ours, each peer. */
interface Row {
  readonly work: Work;
  readonly limits: number[][];
  readonly ours: number[];
  /** Undefined where a peer cannot do the work. */
  readonly peers: (number[] | undefined)[];
}

async function measure(
  work: Work,
  peers: readonly Peer[],
  rounds: number,
): Promise<Row> {
  const ours = prepareOurs(work);
  const bytes = bytesOf(work);
  const limits = bytes === undefined
    ? [prepareArithmetic(flopOf(work))]
    : [1, 4, 6, 8].map((streams) => prepareReading(bytes, streams));
  const result = await ours.result();
  const terms = {
    ours: result,
    tolerance: TOLERANCE,
    clock: "processor",
  } as const;
  const theirs: (Runner | undefined)[] = [];
  for (const peer of peers) {
    theirs.push(
      await runThere(peer, work, terms).catch(({ message }) => {
        console.log(`${nameOf(work)} without ${peer.name}: ${message}`);
        return undefined;
      }),
    );
  }
  const runners = [
    ...limits.map((limit) => runHere("limit", limit, "processor")),
    runHere("ours", ours, "processor"),
    ...theirs.filter((runner) => runner !== undefined),
  ];
  const seconds = await takeTurns(runners, {
    rounds,
    duration: SECONDS,
    warmUps: 5,
  });
  const secondsOf = new Map(runners.map(({ name }, i) => [name, seconds[i]]));
  return {
    work,
    limits: seconds.slice(0, limits.length),
    ours: seconds[limits.length],
    peers: theirs.map((runner) => runner && secondsOf.get(runner.name)),
  };
}

/** A table of rates and ratios; a statistic summarises each runner's rounds. */
function table(
  rows: readonly Row[],
  peers: readonly Peer[],
  summary: (seconds: readonly number[]) => number,
): string {
  const header = ["", "limit", "ours", "of limit"];
  peers.forEach((_, i) => header.push(`(${i + 1})`, "ratio"));
  return formatTable([
    header,
    ...rows.map(({ work, limits, ours, peers }) => {
      const bytes = bytesOf(work);
      const rate = (seconds: number): string =>
        ((bytes ?? flopOf(work)) / seconds / 1e9).toFixed(1);
      const limit = least(limits.map(summary));
      const mine = summary(ours);
      return [
        `${nameOf(work)}, ${bytes === undefined ? "GFLOP/s" : "GB/s"}`,
        rate(limit),
        rate(mine),
        `${(100 * limit / mine).toFixed(0)} %`,
        ...peers.flatMap((seconds) =>
          seconds
            ? [
              rate(summary(seconds)),
              `${(summary(seconds) / mine).toFixed(2)}x`,
            ]
            : ["-", "-"]
        ),
      ];
    }),
  ]);
}

/** One row times weights of all types: bytes read and products a second. */
async function weightTypesTable(rounds: number): Promise<string> {
  const { M, I, O } = ROW;
  const { x, weight } = linearInputs(ROW);
  const runners: Runner[] = [];
  for (const weightType of WEIGHT_TYPES) {
    const prepared = prepareOurs(ROW, weightType);
    const reference = createReferenceBackend({
      weightType,
      product: multiplyInBlocks,
    });
    const expected = reference.linear(
      reference.upload(x, [M, I]),
      reference.uploadWeight(weight, [O, I]),
    );
    assertClose(
      await prepared.result(),
      await reference.read(expected),
      TOLERANCE,
    );
    runners.push(runHere(weightType, prepared, "processor"));
  }
  const seconds = await takeTurns(runners, {
    rounds,
    duration: SECONDS,
    warmUps: 5,
  });
  const summaries = [median, least];
  return formatTable([
    ["", ...["median", "best"].flatMap((name) => [`${name} GB/s`, "ratio"])],
    ...WEIGHT_TYPES.map((weightType, i) => [
      weightType,
      ...summaries.flatMap((summary) => {
        const bytes = weightBytes(weightType, [O, I]);
        const mine = summary(seconds[i]);
        return [
          (bytes / mine / 1e9).toFixed(1),
          `${(summary(seconds[0]) / mine).toFixed(2)}x`,
        ];
      }),
    ]),
  ]);
}

const args = parseArgs(Deno.args, {
  string: ["rounds", "peers"],
  default: { rounds: "11", peers: PEERS.join() },
});
const rounds = Number(args.rounds);
console.log(
  `${
    cpus()[0].model
  }, ${cpus().length} cores; Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}`,
);
const peers = await startPeers(args.peers.split(",").filter(Boolean));
console.log(`ours: ${createCpuBackend().name}`);
peers.forEach(({ name }, i) => console.log(`(${i + 1}) ${name}`));
try {
  const rows: Row[] = [];
  for (const work of WORKS) rows.push(await measure(work, peers, rounds));
  console.log(`\nMedians of ${rounds} rounds; ratios of ours to the others\n`);
  console.log(table(rows, peers, median));
  console.log(`\nThe best of ${rounds} rounds\n`);
  console.log(table(rows, peers, least));
  console.log(
    `\n${nameOf(ROW)} with weights in fewer bits; ratios of speed to f32\n`,
  );
  console.log(await weightTypesTable(rounds));
} finally {
  for (const { process } of peers) process[Symbol.dispose]();
}
