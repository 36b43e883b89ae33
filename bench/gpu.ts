/**
 * Speed of the GPU backend's kernels, beside what the GPU can do at best and
 * beside other libraries on the same GPU:
 *
 *     deno task bench:gpu
 *     deno task bench:gpu --rounds 9 --peers jax-js-webgpu --rows attention
 *
 * Everybody takes turns, for about as long each, and must compute the same
 * numbers first. A measurement runs the work as often as takes a while and
 * waits once, at its end, because waiting alone takes some 10 ms. What is
 * compared is time on the clock; on a GPU in software, whose shapes are smaller,
 * processor time of all threads, so that turns of others on a shared machine do
 * not count. Time on the GPU, by timestamps, is printed for ours. Medians of the
 * rounds are printed, and the best rounds.
 */
// deno-lint-ignore-file no-console

import { cpus, loadavg } from "node:os";
import { parseArgs } from "@std/cli/parse-args";
import type { Tensor, Weight } from "../core/mod.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import {
  createGpuBackend,
  type GpuBackend,
  gpuName,
  isSoftware,
  requestGpu,
} from "../gpu/mod.ts";
import type { GpuTensor } from "../gpu/tensors.ts";
import type { Tolerance } from "../tests/_compare.ts";
import { recordArithmetic, recordReading } from "./gpu_limit.ts";
import { markdownTable } from "./markdown.ts";
import {
  attentionInputs,
  flopOf,
  linearInputs,
  nameOf,
  weightBytes,
  type WeightType,
  type Work,
} from "./peers/kernels/work.ts";
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

/** Weights of which the backend has kernels, and what their rounding costs. */
const WEIGHT_TOLERANCES = {
  f32: { relative: 1e-4, absolute: 1e-4 },
  f16: { relative: 5e-3, absolute: 2e-2 },
} as const satisfies Partial<Record<WeightType, Tolerance>>;

type OurWeightType = keyof typeof WEIGHT_TOLERANCES;
const WEIGHT_TYPES = Object.keys(WEIGHT_TOLERANCES) as OurWeightType[];

const PEERS = ["tfjs-webgpu", "onnxruntime-webgpu", "jax-js-webgpu"];

/** How long one measurement is meant to take, in seconds. */
const DURATION = 0.2;

const linear = (
  [M, I, O]: readonly [number, number, number],
  weightType: WeightType = "f32",
): Work => ({ operation: "linear", M, I, O, weightType });

/** The MLP of LLaVA-1.5-7B with 72 text and 576 vision tokens. */
const MLP = [648, 4096, 11008] as const;
/** The same at a quarter of the width. */
const SMALL_MLP = [648, 1024, 2752] as const;

/** What is measured: on hardware, or on a GPU in software. */
function worksFor(software: boolean): Work[] {
  const heads = software ? { H: 8, E: 64 } : { H: 32, E: 128 };
  return [
    linear([512, 512, 512]),
    linear([1024, 1024, 1024]),
    ...software ? [] : [linear([4096, 4096, 4096])],
    ...WEIGHT_TYPES.map((type) => linear(software ? SMALL_MLP : MLP, type)),
    ...WEIGHT_TYPES.map((type) => linear([1, 4096, 4096], type)),
    { operation: "attention", S: 648, ...heads },
    { operation: "attention", S: 1360, ...heads },
  ];
}

/** Bytes that limit work, where it is reading that does. */
function bytesOf(work: Work): number | undefined {
  return work.operation === "linear" && work.M === 1
    ? weightBytes(work)
    : undefined;
}

/** Work that is in place on the GPU. */
interface Prepared {
  readonly backend: GpuBackend;
  /** Records it once. */
  readonly record: () => void;
  /** Gives back what it holds. */
  readonly free: () => void;
}

/** Work of ours. */
interface Ours extends Prepared {
  readonly result: () => Promise<Float32Array>;
}

/** An operation on inputs that are freed with it. */
function prepare(
  backend: GpuBackend,
  inputs: readonly (Tensor | Weight)[],
  compute: () => Tensor,
): Ours {
  return {
    backend,
    record: () => backend.free([compute()]),
    async result() {
      const out = compute();
      const values = await backend.read(out);
      backend.free([out]);
      return values;
    },
    free: () => backend.free(inputs),
  };
}

/** The library's operation. */
function prepareOurs(device: GPUDevice, work: Work): Ours {
  if (work.operation === "linear") {
    const { M, I, O } = work;
    const weightType = work.weightType as OurWeightType;
    const backend = createGpuBackend(device, { weightType });
    const inputs = linearInputs(work);
    const x = backend.upload(inputs.x, [M, I]);
    const weight = backend.uploadWeight(inputs.weight, [O, I]);
    return prepare(backend, [x, weight], () => backend.linear(x, weight));
  }
  const { S, H, E } = work;
  const backend = createGpuBackend(device);
  const inputs = attentionInputs(work);
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) =>
    backend.upload(x, [1, S, H * E])
  );
  const compute = (): Tensor => backend.attention(q, k, v, { headWidth: E });
  return prepare(backend, [q, k, v], compute);
}

/** As much arithmetic, or reading, as the work has. */
function prepareLimit(device: GPUDevice, work: Work): Prepared {
  const context = createContext(device);
  const backend = backendOn(context);
  const bytes = bytesOf(work);
  if (bytes === undefined) {
    const record = (): void => recordArithmetic(context, flopOf(work));
    return { backend, record, free: () => {} };
  }
  const x = backend.upload(new Float32Array(bytes / 4), [bytes / 4]);
  const record = (): void => recordReading(context, x as GpuTensor<"float">);
  return { backend, record, free: () => backend.free([x]) };
}

/** What runs work of this process, by a clock, and by that of the GPU. */
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
      await backend.read(one); // waits for all that was recorded before
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

/** The seconds of a row's runners in each round. */
interface Row {
  readonly work: Work;
  readonly limit: readonly number[];
  readonly gpu: readonly number[];
  readonly host: readonly number[];
  /** Or why a peer has none. */
  readonly peers: readonly (readonly number[] | string)[];
}

/** What measurements have in common. */
interface Setting {
  readonly device: GPUDevice;
  readonly peers: Peers;
  readonly rounds: number;
  /** By which libraries are compared. */
  readonly clock: Clock;
}

/** Peers by name; where one does not start, why. */
type Peers = readonly { readonly name: string; readonly peer: Peer | string }[];

async function startPeers(names: readonly string[]): Promise<Peers> {
  const peers: { name: string; peer: Peer | string }[] = [];
  for (const name of names) {
    const peer = await startLibrary(name).catch(({ message }) => message);
    peers.push({ name: typeof peer === "string" ? name : peer.name, peer });
  }
  return peers;
}

async function measure(
  work: Work,
  setting: Setting,
): Promise<Row> {
  const { device, peers, rounds, clock } = setting;
  const limit = prepareLimit(device, work);
  const ours = prepareOurs(device, work);
  const terms = {
    ours: await ours.result(),
    tolerance: work.operation === "linear"
      ? WEIGHT_TOLERANCES[work.weightType as OurWeightType]
      : WEIGHT_TOLERANCES.f32,
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
  for (const { free } of [limit, ours]) free();
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

/** Times, rates and ratios, each runner's rounds being summed up by one. */
function table(
  rows: readonly Row[],
  peers: Peers,
  summary: (seconds: readonly number[]) => number,
): string {
  const milliseconds = (seconds: number): string =>
    (1e3 * seconds).toPrecision(3);
  return markdownTable([
    [
      "row",
      "GPU ms",
      "rate",
      "of limit",
      "ms",
      ...peers.flatMap((_, i) => [`(${i + 1}) ms`, "ratio"]),
    ],
    ...rows.map(({ work, limit, gpu, host, peers }) => {
      const bytes = bytesOf(work);
      const rate = (bytes ?? flopOf(work)) / summary(gpu) / 1e9;
      return [
        nameOf(work),
        milliseconds(summary(gpu)),
        `${rate.toPrecision(3)} ${bytes === undefined ? "GFLOP/s" : "GB/s"}`,
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

/** The fastest limit of rows that are limited alike. */
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
    string: ["rounds", "peers", "rows"],
    default: { rounds: "5", peers: PEERS.join(), rows: "" },
  });
  const rounds = Number(args.rounds);
  const device = await requestGpu();
  const software = isSoftware(device.adapterInfo);
  console.log(
    `${gpuName(device.adapterInfo)}${
      software ? ", in software: shapes are smaller than on a GPU" : ""
    }; ${cpus()[0].model}, ${cpus().length} cores, load ${
      loadavg()[0].toFixed(1)
    }; Deno ${Deno.version.deno}, ${Deno.build.target}`,
  );
  const peers = await startPeers(args.peers.split(",").filter(Boolean));
  peers.forEach(({ name }, i) => console.log(`(${i + 1}) ${name}`));
  const clock = software ? "processor" : "wall";
  const setting = { device, peers, rounds, clock } as const;
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
      `\nLimits, at best: ${arithmetic} GFLOP/s of multiply-adds, ${
        bestLimit(rows, bytesOf)
      } GB/s of reading`,
    );
    console.log(
      `\nMedians of ${rounds} rounds; "ms" and ratios: ${clock} time\n`,
    );
    console.log(table(rows, peers, median));
    console.log(`\nThe best of ${rounds} rounds\n`);
    console.log(table(rows, peers, least));
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
