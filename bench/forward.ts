/**
 * Samples per second of the whole forward pass of models/tiny, from RGB bytes
 * and token ids to the logits of the next token, on one thread: the reference
 * backend, the CPU backend, and PyTorch where a Python with it is at hand.
 *
 *     deno task bench:forward
 *     deno task bench:forward --python venv/bin/python    # and PyTorch
 *
 * bench/peers/forward/README.md says how to make such a Python. All must compute
 * the same logits first. Then they take turns. Processor time is measured, because
 * other load on the machine changes wall time. Medians are printed.
 */
// deno-lint-ignore-file no-console

import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { loadModel } from "../study/load.ts";
import { loadQuestions } from "../study/questions.ts";
import {
  embedPrompts,
  embedTiles,
  fullSchedule,
  nextTokenLogits,
  type Prompt,
  runDecoder,
  type Tensor,
} from "../core/mod.ts";
import type { Device, SampleSet } from "../eval/mod.ts";
import { formatTable } from "../report/mod.ts";
import { assertClose } from "../tests/_compare.ts";
import { F32_TOLERANCES } from "../tests/_tolerance.ts";
import { type LinePeer, startPeer } from "./line_peer.ts";

/** A measured case. */
interface Workload {
  /** Samples in a batch. */
  readonly batch: number;
  /** Whether vision tower and projector are measured, or run before. */
  readonly vision: boolean;
  /** Forward passes in one measurement. */
  readonly passes: number;
}

const WORKLOADS: readonly Workload[] = [
  { batch: 1, vision: true, passes: 8 },
  { batch: 1, vision: false, passes: 8 },
  { batch: 16, vision: true, passes: 1 },
  { batch: 16, vision: false, passes: 1 },
];

/** A measurement. */
interface Measured {
  /** Seconds of processor time. */
  readonly seconds: number;
  /** Logits of the last pass, [B, V]. */
  readonly logits: ArrayLike<number>;
}

/** A contestant that runs the model. */
interface Contestant {
  readonly name: string;
  measure(work: Workload): Promise<Measured>;
}

/** The model's input: prompts of equal length, with an image each. */
interface Input {
  readonly images: SampleSet["images"];
  readonly prompts: readonly Prompt[];
}

/** The first `count` held-out questions of the most common length. */
async function makeInput(count: number): Promise<Input> {
  const { samples, images } = await loadQuestions(
    await loadModel(null, { device: "reference" }),
    { count: 10 * count },
    "heldout",
    0,
  );
  const byLength = Object.values(
    Object.groupBy(samples, ({ prompt: { after } }) => after.length),
  ).map((group) => group!);
  const [commonest] = byLength.sort((a, b) => b.length - a.length);
  const chosen = commonest.slice(0, count);
  return {
    images: chosen.map(({ image }) => images[image]),
    prompts: chosen.map(({ prompt }) => prompt),
  };
}

/** Our model on a backend. */
async function createOurs(
  device: Device,
  { images, prompts }: Input,
): Promise<Contestant> {
  const { model } = await loadModel(null, { device });
  const { backend, config: { decoder, visionTokens } } = model;
  const schedule = fullSchedule(decoder.layers, visionTokens);

  function forward(batch: number, visionTokens: Tensor | null): Tensor {
    return backend.scope(() => {
      const state = embedPrompts(
        model,
        visionTokens ?? embedTiles(model, images.slice(0, batch)),
        prompts.slice(0, batch),
      );
      return nextTokenLogits(model, runDecoder(model, state, schedule));
    });
  }

  return {
    name: backend.name,
    async measure({ batch, vision, passes }) {
      const before = embedTiles(model, images.slice(0, batch));
      let logits: Float32Array = new Float32Array();
      const start = process.cpuUsage();
      for (let pass = 0; pass < passes; pass++) {
        const x = forward(batch, vision ? null : before);
        logits = await backend.read(x);
        backend.free([x]);
      }
      const { user, system } = process.cpuUsage(start);
      backend.free([before]);
      return { seconds: (user + system) / 1e6, logits };
    },
  };
}

/** PyTorch with the same weights, questions and images. */
async function createTorch(
  peer: LinePeer,
  { images, prompts }: Input,
): Promise<Contestant> {
  const { model: { config } } = await loadModel(null, { device: "reference" });
  const { name } = await peer.receive<{ name: string }>();
  await peer.send({
    ids: prompts.map(({ before, after }) => [
      ...before,
      ...Array(config.visionTokens).fill(config.imageToken),
      ...after,
    ]),
    images: images.map(([{ data }]) => new Uint8Array(data).toBase64()),
  });
  return {
    name,
    async measure(work) {
      await peer.send(work);
      const { seconds, logits } = await peer.receive<
        { seconds: number; logits: number[][] }
      >();
      return { seconds, logits: logits.flat() };
    },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Samples per second of each contestant, medians of rounds in turns. */
async function measureAll(
  contestants: readonly Contestant[],
  work: Workload,
  rounds: number,
): Promise<number[]> {
  // The first pass warms up, and shows that all compute the same logits.
  const [first, ...others] = contestants;
  const expected = await first.measure({ ...work, passes: 1 });
  for (const other of others) {
    const { logits } = await other.measure({ ...work, passes: 1 });
    assertClose(logits, expected.logits, F32_TOLERANCES.logits, other.name);
  }
  const rates: number[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      const { seconds } = await contestant.measure(work);
      rates[i].push(work.batch * work.passes / seconds);
    }
  }
  return rates.map(median);
}

const args = parseArgs(Deno.args, {
  string: ["python", "rounds"],
  default: { rounds: "5" },
});
const input = await makeInput(Math.max(...WORKLOADS.map(({ batch }) => batch)));
const contestants = [
  await createOurs("reference", input),
  await createOurs("cpu", input),
];
using peer = args.python === undefined ? null : startPeer(args.python, [
  new URL("peers/forward/torch_forward.py", import.meta.url).pathname,
  new URL("../models/tiny", import.meta.url).pathname,
]);
if (peer) contestants.push(await createTorch(peer, input));
else console.log("Without PyTorch: give --python PATH to compare with it\n");

console.log(
  `${
    cpus()[0].model
  }; Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, ${Deno.build.target}`,
);
contestants.forEach(({ name }, i) => console.log(`(${i + 1}) ${name}`));
console.log(
  `Samples per second of processor time, one thread, medians of ${args.rounds} rounds; ratios of (2) to the others\n`,
);
const rows: string[][] = [[
  "",
  ...contestants.flatMap((_, i) =>
    i === 1 ? [`(${i + 1})`] : [`(${i + 1})`, "ratio"]
  ),
]];
for (const work of WORKLOADS) {
  const rates = await measureAll(contestants, work, Number(args.rounds));
  rows.push([
    `batch ${work.batch}, ${work.vision ? "whole" : "decoder only"}`,
    ...rates.flatMap((rate, i) =>
      i === 1
        ? [rate.toFixed(1)]
        : [rate.toFixed(1), `${(rates[1] / rate).toFixed(2)}x`]
    ),
  ]);
}
console.log(formatTable(rows));
