/**
 * Prefill of a decoder with the shape of LLaVA-1.5-7B and random weights, with
 * 576 vision tokens and 72 text tokens, unreduced and reduced:
 *
 *     deno task bench:prefill
 *     deno task bench:prefill --device cpu --layers 8 --width 512
 *
 * On a GPU, weights are stored in 16 bits. On a GPU in software and on the CPU
 * the decoder is narrower and shallower, and the output says so: heads stay 128
 * wide, all other widths shrink with the width. Layer i of L layers keeps the
 * count of layer ⌊32 i / L⌋ in the published schedule. Schedules take turns;
 * medians are printed. Separate runs measure the time of each operation: by
 * timestamps on a GPU, by a clock around each operation on the CPU.
 */
// deno-lint-ignore-file no-console

import { cpus, loadavg } from "node:os";
import { parseArgs } from "@std/cli/parse-args";
import {
  type Backend,
  createRandom,
  type DecoderConfig,
  type DecoderState,
  embedPrompts,
  predictNextToken,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { type CpuBackend, createCpuBackend } from "../cpu/mod.ts";
import {
  createGpuBackend,
  type GpuBackend,
  isSoftware,
  requestGpu,
} from "../gpu/mod.ts";
import { formatPercent } from "../report/mod.ts";
import { decoderFlops, kvCacheBytes } from "../search/mod.ts";
import { markdownTable } from "./markdown.ts";
import {
  configOf,
  FULL,
  scheduleOf,
  STRATEGIES,
  type Strategy,
} from "./prefill_scale.ts";
import { createRandomDecoder } from "./random_decoder.ts";
import { median } from "./turns.ts";

const { visionTokens: N, textTokens: T } = FULL;
/** Text tokens before the image: LLaVA's system prompt. */
const SYSTEM_TOKENS = 35;

/** Operations of Sort & Reduce. */
const REDUCING = ["attentionScores", "topK", "gatherRows"] as const;

/** The GPU's kernels for them. */
const REDUCING_KERNELS: readonly string[] = [
  ...["attentionTotals", "attentionShares", "meanOfHeads"],
  ...["topK", "gatherRows"],
];

/** All operations that make a tensor. */
const OPERATIONS = [
  ...REDUCING,
  ...["linear", "rmsNorm", "rope", "attention"],
  ...["sliceRows", "concat", "add", "embed"],
] as const satisfies readonly (keyof Backend)[];

/** A backend that calls `after` after each operation. */
function watch(
  backend: Backend,
  after: (operation: string, milliseconds: number) => void,
): Backend {
  const watched: Record<string, unknown> = { ...backend };
  for (const name of OPERATIONS) {
    const operation = backend[name] as (...inputs: unknown[]) => unknown;
    watched[name] = (...inputs: unknown[]): unknown => {
      const start = performance.now();
      const out = operation(...inputs);
      after(name, performance.now() - start);
      return out;
    };
  }
  return watched as unknown as Backend;
}

/** A decoder on a backend, and its input. */
interface Setting {
  readonly backend: CpuBackend | GpuBackend;
  readonly model: VisionLanguageModel;
  readonly state: DecoderState;
  /** Bytes of weights and state. */
  readonly bytesBefore: number;
}

async function prepare(
  backend: CpuBackend | GpuBackend,
  config: DecoderConfig,
): Promise<Setting> {
  const decoder = await createRandomDecoder(backend, config, 0);
  // No image is encoded: vision tokens are random, like the words.
  const known: Pick<VisionLanguageModel, "backend" | "decoder" | "config"> = {
    backend,
    decoder,
    config: { decoder: config } as VisionLanguageModel["config"],
  };
  const model = known as VisionLanguageModel;
  const random = createRandom(1);
  const tokens = Float32Array.from(
    { length: N * config.width },
    () => .02 * random.normal(),
  );
  const words = (count: number): number[] =>
    Array.from({ length: count }, () => random.below(config.vocabulary));
  const prompt = {
    before: words(SYSTEM_TOKENS),
    after: words(T - SYSTEM_TOKENS),
  };
  const visionTokens = backend.upload(tokens, [1, N, config.width]);
  const state = embedPrompts(model, visionTokens, [prompt]);
  await backend.read(state.positions);
  return { backend, model, state, bytesBefore: backend.memoryUsed };
}

/** Starts one prefill; the logits are not read yet. */
function prefill(
  { model, state }: Setting,
  strategy: Strategy,
  backend: Backend = model.backend,
): Tensor {
  const schedule = scheduleOf(strategy, model.decoder.layers.length);
  return predictNextToken(
    { ...model, backend },
    state,
    schedule,
    strategy.reduction,
  );
}

/** Seconds of one prefill. */
async function timePrefill(
  setting: Setting,
  strategy: Strategy,
): Promise<number> {
  const { backend } = setting;
  const start = performance.now();
  const logits = prefill(setting, strategy);
  await backend.read(logits);
  const seconds = (performance.now() - start) / 1e3;
  backend.free([logits]);
  return seconds;
}

/** The peak of memory of a prefill, in bytes, without weights and input. */
function peakBytes(setting: Setting, strategy: Strategy): number {
  const { backend, bytesBefore } = setting;
  let peak = 0;
  const watched = watch(backend, () => {
    peak = Math.max(peak, backend.memoryUsed - bytesBefore);
  });
  backend.free([prefill(setting, strategy, watched)]);
  return peak;
}

/** The share of time that ranking and moving tokens take; null if unknown. */
async function reducingShare(
  setting: Setting,
  strategy: Strategy,
  device: GPUDevice | null,
): Promise<number | null> {
  const { backend } = setting;
  const times = new Map<string, number>();
  let reducing: readonly string[] = REDUCING;
  if ("profile" in backend) {
    if (!device?.features.has("timestamp-query")) return null;
    reducing = REDUCING_KERNELS;
    const kernels = await backend.profile(() =>
      backend.free([prefill(setting, strategy)])
    );
    for (const [name, { milliseconds }] of kernels) {
      times.set(name, milliseconds);
    }
  } else {
    const watched = watch(backend, (name, milliseconds) => {
      times.set(name, (times.get(name) ?? 0) + milliseconds);
    });
    backend.free([prefill(setting, strategy, watched)]);
  }
  const total = times.values().reduce((sum, time) => sum + time, 0);
  const part = reducing.reduce((sum, name) => sum + (times.get(name) ?? 0), 0);
  return part / total;
}

/** The measurements of a strategy. */
interface Result {
  readonly seconds: number;
  readonly flops: number;
  readonly kvBytes: number;
  readonly peak: number;
  readonly share: number | null;
}

async function measure(
  setting: Setting,
  rounds: number,
  device: GPUDevice | null,
): Promise<Result[]> {
  const { width, layers, mlpWidth, vocabulary } = setting.model.decoder.config;
  const shape = {
    layers,
    width,
    kvWidth: width,
    mlpWidth,
    vocabulary,
    visionFlops: 0,
  };
  const seconds: number[][] = STRATEGIES.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, strategy] of STRATEGIES.entries()) {
      const time = await timePrefill(setting, strategy);
      if (round > 0) seconds[i].push(time); // the first one warms up
    }
  }
  const results: Result[] = [];
  for (const [i, strategy] of STRATEGIES.entries()) {
    const schedule = scheduleOf(strategy, layers);
    const shares: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const share = await reducingShare(setting, strategy, device);
      if (share !== null) shares.push(share);
    }
    results.push({
      seconds: median(seconds[i]),
      flops: decoderFlops(shape, schedule, T),
      kvBytes: kvCacheBytes(shape, schedule, {
        textTokens: T,
        bytesPerElement: 2,
      }),
      peak: peakBytes(setting, strategy),
      share: shares.length > 0 ? median(shares) : null,
    });
  }
  return results;
}

function table(results: readonly Result[]): string {
  const [full] = results;
  const ratio = (before: number, now: number): string =>
    `${(before / now).toFixed(2)}x`;
  return markdownTable([
    [
      "",
      "prefill ms",
      "ratio",
      "GFLOPs",
      "ratio",
      "KV cache MB",
      "ratio",
      "activations MB",
      "ranking and gathering",
    ],
    ...results.map(({ seconds, flops, kvBytes, peak, share }, i) => [
      STRATEGIES[i].name,
      (1e3 * seconds).toFixed(1),
      ratio(full.seconds, seconds),
      (flops / 1e9).toFixed(1),
      ratio(full.flops, flops),
      (kvBytes / 1e6).toFixed(1),
      ratio(full.kvBytes, kvBytes),
      (peak / 1e6).toFixed(1),
      share === null ? "-" : formatPercent(share),
    ]),
  ]);
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["device", "layers", "width", "rounds"],
    default: { device: "webgpu", rounds: "5" },
  });
  const device = args.device === "cpu"
    ? null
    : await requestGpu().catch(({ message }) => {
      console.log(`${message}; on the CPU backend instead`);
      return null;
    });
  const scale = device && !isSoftware(device.adapterInfo)
    ? { layers: FULL.layers, width: FULL.width }
    : { layers: 8, width: 512 };
  const config = configOf(
    Number(args.layers ?? scale.layers),
    Number(args.width ?? scale.width),
  );
  const backend = device
    ? createGpuBackend(device, { weightType: "f16" })
    : createCpuBackend();
  const scaled = config.width < FULL.width || config.layers < FULL.layers;
  console.log(
    `${backend.name}; ${cpus()[0].model}, ${cpus().length} cores, load ${
      loadavg()[0].toFixed(1)
    }; Deno ${Deno.version.deno}, ${Deno.build.target}`,
  );
  console.log(
    `${
      scaled ? "SCALED DOWN from LLaVA-1.5-7B" : "LLaVA-1.5-7B"
    }: ${config.layers} layers, width ${config.width}, MLP ${config.mlpWidth}, ${config.heads} heads, vocabulary ${config.vocabulary}; ${T} text and ${N} vision tokens`,
  );
  const setting = await prepare(backend, config);
  const results = await measure(setting, Number(args.rounds), device);
  console.log(
    `weights and input ${
      (setting.bytesBefore / 1e6).toFixed(1)
    } MB, all memory at the end ${
      (backend.memorySize / 1e6).toFixed(1)
    } MB; medians of ${args.rounds} rounds\n`,
  );
  console.log(table(results));
  device?.destroy();
}

await main();
