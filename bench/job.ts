/**
 * Processor time of the main job on one thread: its phases, and the share of each
 * operation of the CPU backend.
 *
 *     deno task bench:job --calibration 100 --heldout 200     # a first look
 *     deno task bench:job                                    # as search.ts does
 *
 * Operations on the CPU are finished when they return, so a clock around each
 * call is enough. The rest of the time is JavaScript: scheduling, arena, scoring,
 * questions.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import {
  type Backend,
  fastvSchedule,
  fullSchedule,
  loadVisionLanguageModel,
  type Ranking,
  type Schedule,
} from "../core/mod.ts";
import { createBackend, createEvaluators } from "../eval/mod.ts";
import { formatTable } from "../report/mod.ts";
import { gSearch } from "../search/mod.ts";
import {
  DEFAULT_COUNTS,
  DEFAULT_CRITERION,
  defaultFirstLayer,
  loadModel,
  loadQuestions,
} from "../study/mod.ts";

/** Operations that take noticeable time, by their name in the table. */
const COLUMNS = {
  linear: ["linear"],
  attention: ["attention"],
  scores: ["attentionScores"],
  norms: ["layerNorm", "rmsNorm"],
  rope: ["rope"],
  "sort & reduce": ["topK", "gatherRows"],
  moving: ["sliceRows", "concat", "add", "embed", "upload"],
} as const satisfies Record<string, readonly (keyof Backend)[]>;

/** Milliseconds in each operation. */
type Clocks = Map<string, number>;

/** The backend with a clock around each of these operations. */
function withClocks(inner: Backend, clocks: Clocks): Backend {
  const timed = Object.values(COLUMNS).flat().map((name) => {
    const operation = inner[name] as (...args: unknown[]) => unknown;
    return [name, (...args: unknown[]): unknown => {
      const start = performance.now();
      const result = operation(...args);
      const spent = performance.now() - start;
      clocks.set(name, (clocks.get(name) ?? 0) + spent);
      return result;
    }];
  });
  return { ...inner, ...Object.fromEntries(timed) };
}

const args = parseArgs(Deno.args, {
  string: ["calibration", "heldout"],
  default: {
    calibration: String(DEFAULT_COUNTS.calibration),
    heldout: String(DEFAULT_COUNTS.heldout),
  },
});
const clocks: Clocks = new Map();
const loaded = await loadModel(null, { device: "cpu" });
const model = await loadVisionLanguageModel(
  withClocks(createBackend("cpu"), clocks),
  loaded.source,
);
const { visionTokens, decoder: { layers } } = model.config;
const ranking = "instruction";
const criterion = DEFAULT_CRITERION;
const firstLayer = defaultFirstLayer(layers);
const load = (split: "calibration" | "heldout") =>
  loadQuestions(loaded, { count: Number(args[split]) }, split, 0);
const calibration = await load("calibration");
const heldout = await load("heldout");

const rows: string[][] = [];
let total = 0;

/** Runs a phase and records its time by operation. */
async function phase<T>(name: string, run: () => Promise<T>): Promise<T> {
  clocks.clear();
  const start = performance.now();
  const result = await run();
  const spent = performance.now() - start;
  total += spent;
  const perColumn = Object.values(COLUMNS).map((names) =>
    names.reduce((sum, name) => sum + (clocks.get(name) ?? 0), 0)
  );
  const rest = spent - perColumn.reduce((sum, ms) => sum + ms, 0);
  rows.push([
    name,
    (spent / 1000).toFixed(1),
    ...[...perColumn, rest].map((ms) => `${(100 * ms / spent).toFixed(0)} %`),
  ]);
  return result;
}

const evaluators = createEvaluators(model);
const judge = (options: { ranking: Ranking }) =>
  evaluators.createEvaluator(heldout, {
    ...options,
    batchSize: 1,
    cache: false,
  });
const full = fullSchedule(layers, visionTokens);
const onCalibration = evaluators.createEvaluator(calibration, {
  ranking,
  batchSize: 1,
});
await phase("held-out, full model", () => judge({ ranking })(full));
const reference = await phase(
  "calibration, full model",
  () => onCalibration(full),
);
const schedule = await phase("G-Search", async (): Promise<Schedule> => {
  const search = gSearch(onCalibration, {
    layers,
    visionTokens,
    firstLayer,
    criterion,
    full: reference,
  });
  let step = await search.next();
  while (!step.done) step = await search.next();
  return step.value.schedule;
});
const fastv = fastvSchedule({ layers, visionTokens, layer: 2, keepRate: 0.5 });
await phase("held-out, G-Search", () => judge({ ranking })(schedule));
await phase("  ranked at random", () => judge({ ranking: "random" })(schedule));
await phase("held-out, FastV", () => judge({ ranking: "last" })(fastv));
await phase("  ranked at random", () => judge({ ranking: "random" })(fastv));

console.log(
  formatTable([
    ["phase", "seconds", ...Object.keys(COLUMNS), "rest"],
    ...rows,
    [
      "all",
      (total / 1000).toFixed(1),
      ...Object.keys(COLUMNS).map(() => ""),
      "",
    ],
  ]),
);
