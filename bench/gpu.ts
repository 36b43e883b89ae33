/**
 * Measures the kernels of the GPU backend, and compares them with the limits of
 * the GPU and with other libraries:
 *
 *     deno task bench:gpu
 *     deno task bench:gpu --rounds 9 --peers jax-js-webgpu --rows attention
 *     deno task bench:gpu --peers "" --against ../last-commit
 *
 * `--against` adds another checkout of this repository. One run then shows the
 * effect of a change of the kernels as a ratio.
 *
 * All contestants must compute the same numbers first. They then take turns of
 * about the same length. A turn runs the work several times and waits once, at
 * its end, because waiting alone takes some 10 ms. A GPU is compared by wall
 * time. A GPU in software has smaller shapes, and is compared by the processor
 * time of all threads, which other processes on the machine do not change. Our
 * own GPU time comes from timestamps. The tables show the medians of the rounds
 * and the best rounds.
 */
// deno-lint-ignore-file no-console

import { cpus, loadavg } from "node:os";
import { parseArgs } from "@std/cli/parse-args";
import { gpuName, isSoftware, requestGpu } from "../gpu/mod.ts";
import { assertClose } from "../tests/_compare.ts";
import {
  bytesOf,
  type Prepared,
  prepareLimit,
  prepareOurs,
  toleranceOf,
  worksFor,
} from "./gpu_work.ts";
import { markdownTable } from "./markdown.ts";
import { flopOf, nameOf, type Work } from "./peers/kernels/work.ts";
import {
  type Clock,
  least,
  median,
  type Peer,
  runHere,
  type Runner,
  runThere,
  startLibrary,
  takeTurns,
} from "./turns.ts";

const PEERS = ["tfjs-webgpu", "onnxruntime-webgpu", "jax-js-webgpu"];

/** The length of a turn, in seconds. */
const DURATION = 0.2;

/** Runners of work in this process: timed by a clock, and by the GPU. */
function runnersOf(
  { backend, record }: Prepared,
  { device, clock }: Setting,
): { host: Runner; gpu: Runner } {
  const one = backend.upload(Float32Array.of(1), [1]);
  const records = (times: number): void => {
    for (let i = 0; i < times; i++) record();
  };
  const host = runHere("ours", {
    async run(times) {
      records(times);
      await backend.read(one); // waits for all recorded work
    },
  }, clock);
  if (!device.features.has("timestamp-query")) return { host, gpu: host };
  const gpu: Runner = {
    name: "ours, by timestamps",
    async run(times) {
      const kernels = await backend.profile(() => records(times));
      return kernels.values().reduce(
        (sum, { milliseconds }) => sum + milliseconds / 1e3,
        0,
      );
    },
  };
  return { host, gpu };
}

/** The seconds of each round, by runner. */
interface Row {
  readonly work: Work;
  readonly limit: readonly number[];
  readonly gpu: readonly number[];
  readonly host: readonly number[];
  /** The reason, if a peer has none. */
  readonly peers: readonly (readonly number[] | string)[];
}

/** The exports of another checkout of this repository. */
type Checkout = Pick<typeof import("./gpu_work.ts"), "prepareOurs">;

/** The setting of all measurements. */
interface Setting {
  /** Another checkout to compare with. */
  readonly against: Checkout | null;
  readonly device: GPUDevice;
  readonly peers: Peers;
  readonly rounds: number;
  /** The clock that libraries are compared by. */
  readonly clock: Clock;
}

/** Peers by name, or the reason why one does not start. */
type Peers = readonly { readonly name: string; readonly peer: Peer | string }[];

async function startPeers(names: readonly string[]): Promise<Peers> {
  const peers: { name: string; peer: Peer | string }[] = [];
  for (const name of names) {
    const peer = await startLibrary(name).catch(({ message }) => message);
    peers.push({ name: typeof peer === "string" ? name : peer.name, peer });
  }
  return peers;
}

async function measure(work: Work, setting: Setting): Promise<Row> {
  const { device, peers, rounds, clock, against } = setting;
  const limit = prepareLimit(device, work);
  const ours = prepareOurs(device, work);
  const terms = {
    ours: await ours.result(),
    tolerance: toleranceOf(work),
    clock,
  };
  const theirs: (Runner | string)[] = [];
  for (const { peer } of peers) {
    theirs.push(
      typeof peer === "string"
        ? peer
        : await runThere(peer, work, terms).catch(({ message }) => message),
    );
  }
  const prepared: Prepared[] = [limit, ours];
  if (against) {
    const other = against.prepareOurs(device, work);
    assertClose(
      await other.result(),
      terms.ours,
      terms.tolerance,
      nameOf(work),
    );
    prepared.push(other);
    theirs.unshift(runnersOf(other, setting).host);
  }
  const { host, gpu } = runnersOf(ours, setting);
  const runners = [
    runnersOf(limit, setting).gpu,
    gpu,
    host,
    ...theirs.filter((runner) => typeof runner !== "string"),
  ];
  const seconds = await takeTurns(runners, {
    rounds,
    duration: DURATION,
    warmUps: 2,
  });
  for (const { free } of prepared) free();
  const secondsOf = new Map(runners.map((runner, i) => [runner, seconds[i]]));
  return {
    work,
    limit: seconds[0],
    gpu: seconds[1],
    host: seconds[2],
    peers: theirs.map((runner) =>
      typeof runner === "string" ? runner : secondsOf.get(runner)!
    ),
  };
}

/** A table of times, rates and ratios. `summary` reduces rounds to a number. */
function table(
  rows: readonly Row[],
  columns: readonly string[],
  summary: (seconds: readonly number[]) => number,
): string {
  const threeDigits = (value: number): string =>
    String(Number(value.toPrecision(3)));
  const milliseconds = (seconds: number): string => threeDigits(1e3 * seconds);
  return markdownTable([
    [
      "row",
      "GPU ms",
      "rate",
      "of limit",
      "ms",
      ...columns.flatMap((_, i) => [`(${i + 1}) ms`, "ratio"]),
    ],
    ...rows.map(({ work, limit, gpu, host, peers }) => {
      const bytes = bytesOf(work);
      const rate = (bytes ?? flopOf(work)) / summary(gpu) / 1e9;
      return [
        nameOf(work),
        milliseconds(summary(gpu)),
        `${threeDigits(rate)} ${bytes === undefined ? "GFLOP/s" : "GB/s"}`,
        `${(100 * summary(limit) / summary(gpu)).toFixed(0)} %`,
        milliseconds(summary(host)),
        ...peers.flatMap((seconds) =>
          typeof seconds === "string" ? ["-", "-"] : [
            milliseconds(summary(seconds)),
            `${(summary(seconds) / summary(host)).toFixed(2)}x`,
          ]
        ),
      ];
    }),
  ]);
}

/** The best rate of the limits, over the rows that have an amount. */
function bestLimit(
  rows: readonly Row[],
  amountOf: (work: Work) => number | undefined,
): string {
  const rates = rows.map(({ work, limit }) =>
    (amountOf(work) ?? 0) / least(limit) / 1e9
  );
  return Math.max(0, ...rates).toPrecision(3);
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["rounds", "peers", "rows", "against"],
    default: { rounds: "5", peers: PEERS.join(), rows: "" },
  });
  const rounds = Number(args.rounds);
  const device = await requestGpu();
  const software = isSoftware(device.adapterInfo);
  console.log(
    `${gpuName(device.adapterInfo)}${
      software ? ", in software, with smaller shapes" : ""
    }; ${cpus()[0].model}, ${cpus().length} cores, load ${
      loadavg()[0].toFixed(1)
    }; Deno ${Deno.version.deno}, ${Deno.build.target}`,
  );
  const peers = await startPeers(args.peers.split(",").filter(Boolean));
  const against: Checkout | null = args.against === undefined
    ? null
    : await import(
      `file://${Deno.realPathSync(args.against)}/bench/gpu_work.ts`
    );
  const columns = [
    ...against ? [`ours in ${args.against}`] : [],
    ...peers.map(({ name }) => name),
  ];
  columns.forEach((name, i) => console.log(`(${i + 1}) ${name}`));
  const clock = software ? "processor" : "wall";
  const setting = { device, peers, rounds, clock, against } as const;
  try {
    const rows: Row[] = [];
    for (const work of worksFor(software)) {
      if (!nameOf(work).includes(args.rows)) continue;
      rows.push(await measure(work, setting));
      console.log(`${nameOf(work)}: done, load ${loadavg()[0].toFixed(1)}`);
    }
    const arithmetic = bestLimit(
      rows,
      (work) => bytesOf(work) ? undefined : flopOf(work),
    );
    console.log(
      `\nBest limits: ${arithmetic} GFLOP/s of multiply-adds, ${
        bestLimit(rows, bytesOf)
      } GB/s of reading`,
    );
    console.log(
      `\nMedians of ${rounds} rounds; "ms" and ratios: ${clock} time\n`,
    );
    console.log(table(rows, columns, median));
    console.log(`\nBest of ${rounds} rounds\n`);
    console.log(table(rows, columns, least));
    console.log();
    for (const { work, peers: answers } of rows) {
      for (const [i, answer] of answers.entries()) {
        if (typeof answer !== "string") continue;
        const [reason] = answer.split("\n");
        console.log(`- ${nameOf(work)} without (${i + 1}): ${reason}`);
      }
    }
  } finally {
    for (const { peer } of peers) {
      if (typeof peer !== "string") peer.process[Symbol.dispose]();
    }
    device.destroy();
  }
}

await main();
