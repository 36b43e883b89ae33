/**
 * The command line of search.ts: its options, their checks, and its help.
 *
 * This module touches neither files nor the terminal.
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  type PositionRule,
  type Ranking,
  RANKINGS,
  WEIGHT_TYPES,
  type WeightType,
} from "../core/mod.ts";
import type { Criterion } from "../search/mod.ts";
import {
  type BudgetChoice,
  parseBaselines,
  parseBudgets,
  type Rival,
  RIVALS,
} from "./budgets.ts";
import { DEVICE_CHOICES, type DeviceChoice } from "./device.ts";
import { METRIC_CHOICES, type MetricChoice } from "./generated.ts";
import { integer, number, oneOf, text } from "./values.ts";

/** Where questions come from: so many of the embedded task, or a file. */
export type QuestionSource = { readonly count: number } | {
  readonly file: string;
};

/** One data set for both, and how to read question files. */
export interface DataOptions {
  /** The files of one data set; none where there are two sources. */
  readonly files: readonly string[];
  /** The folder that image paths are relative to; null for the file's own. */
  readonly images: string | null;
  /** Which part of ScienceQA; null for all. */
  readonly split: string | null;
}

/** What the user wants of search.ts. */
export interface SearchOptions {
  /** Directory of the model, or null for the embedded one. */
  readonly model: string | null;
  /** I: least cost without losing performance; II: best within a budget. */
  readonly scenario: "1" | "2" | "both";
  /** Where to run it. */
  readonly device: DeviceChoice;
  /** How the weights of its linear layers are stored. */
  readonly weights: WeightType;
  /** Where questions come from, if not from two sources. */
  readonly data: DataOptions;
  /** What the search looks at. */
  readonly calibration: QuestionSource;
  /** What the result is judged on. */
  readonly heldout: QuestionSource;
  /** How generated answers are judged there. */
  readonly metric: MetricChoice;
  /** When a schedule is as good as the full model. */
  readonly criterion: Criterion;
  /** First layer that may be reduced; null for the model's default. */
  readonly firstLayer: number | null;
  /** How vision tokens are ranked. */
  readonly ranking: Ranking;
  /** What becomes of the position ids of those that stay. */
  readonly positions: PositionRule;
  /** What schedules may cost in Scenario II. */
  readonly budgets: readonly BudgetChoice[];
  /** Schedules that P-Sigmoid tries for each, and its refinement again. */
  readonly evaluations: number;
  /** What they are compared with. */
  readonly baselines: readonly Rival[];
  /** Which calibration scenes are drawn. */
  readonly seed: number;
  /** Directory for results. */
  readonly out: string;
  /** Whether the last line of output is one JSON object. */
  readonly json: boolean;
}

/** The options for a certain model. */
export interface SettledOptions extends SearchOptions {
  /** First layer that may be reduced. */
  readonly firstLayer: number;
  /**
   * The same for Scenario II: P-Sigmoid searches from here on for it, as what
   * a budget leaves no room for is known at once.
   */
  readonly leastFirstLayer: number;
}

/** The first layer that the paper reduces, as its FLOPs tell; from 0. */
const PAPER_FIRST_LAYER = 3;

/**
 * Fills in what depends on the model.
 *
 * @param layers decoder layers of the model
 * @throws {RangeError} it has too few layers for the options
 */
export function settleOptions(
  options: SearchOptions,
  layers: number,
): SettledOptions {
  const firstLayer = options.firstLayer ??
    Math.max(1, Math.min(PAPER_FIRST_LAYER, layers - 1));
  if (firstLayer >= layers) {
    throw new RangeError(
      `Cannot use --first-layer as it must be below ${layers}, the model's decoder layers: current value is ${firstLayer}`,
    );
  }
  return { ...options, firstLayer, leastFirstLayer: options.firstLayer ?? 1 };
}

/** ε where the user gives none. */
const EPSILON: Readonly<Record<Criterion["kind"], number>> = {
  accuracy: 0.5,
  loss: 0.01,
  bound: 0.5,
};
/** So few questions cannot show less. */
const QUICK_EPSILON = { ...EPSILON, bound: 2.5 };
const DEFAULT_COUNTS = { calibration: 640, heldout: 2000 };
const QUICK_COUNTS = { calibration: 128, heldout: 200 };
const DEFAULT_BUDGETS = "0.40,0.27,0.17";
const DEFAULT_EVALUATIONS = 40;
const QUICK_EVALUATIONS = 12;

/** What `--help` prints. */
export const USAGE: string =
  `tokensieve: how few vision tokens does each layer of a model need?

Usage: deno run -A search.ts [options]

Finds a schedule (vision tokens kept per decoder layer) on calibration
questions, and compares it on held-out questions: in Scenario I with G-Search,
the least that is as good as the full model; in Scenario II with P-Sigmoid, the
best within a budget, beside other methods at the same budget.

  --scenario N         1, 2 or both (default: 1)
  --model DIR          Hugging Face directory of a LLaVA or InternVL model
                       (default: the embedded model, models/tiny)
  --device NAME        where to run it: cpu (WebAssembly SIMD, one worker per
                       core), webgpu, reference (plain loops, slow: what every
                       operation means), or auto: webgpu where the GPU is
                       hardware, else cpu (default: auto)
  --weights TYPE       how the weights of linear layers are stored: f32 as they
                       are, f16, int8 (a scale for each output) or int4 (a
                       scale for 64 inputs); computed with in 32 bits in all
                       cases (default: f32)
  --data FILE          questions about images: VQAv2 (once for the questions and
                       once for the annotations), TextVQA, GQA, POPE, ScienceQA,
                       AI2D, MMBench, ChartQA, DocVQA, MME, or a .jsonl file of
                       {"image", "question", "answer"}
  --images DIR         where their images are (default: beside the file)
  --split NAME         which part of ScienceQA (default: all)
  --calibration N|FILE questions to search with: so many of --data, at most
                       half of them and about other images than those held out,
                       or of the embedded task; or a file of their own (default:
                       ${DEFAULT_COUNTS.calibration})
  --heldout N|FILE     questions to judge the result on (default: ${DEFAULT_COUNTS.heldout})
  --metric NAME        how generated answers to the latter are judged: vqa,
                       gqa, pope, choice, relaxed, anls, mme, exact, none, or
                       auto: as the benchmark does, where answers have several
                       tokens (default: auto)
  --criterion KIND     when a schedule is as good as the full model (default:
                       bound)
                       accuracy  mean accuracy falls by at most epsilon points
                       loss      mean answer loss rises by at most epsilon nats
                       bound     an upper 95 % confidence bound on the fall of
                                 the answer's probability is at most epsilon
                                 points; 0.5 takes 528 questions at least
  --epsilon X          tolerance (default: ${EPSILON.bound} points for bound,
                       ${EPSILON.accuracy} points for accuracy, ${EPSILON.loss} nats for loss)
  --first-layer I      first decoder layer that may be reduced; layers count
                       from 0, and layer 0 never is (default: 3, as in the
                       paper, or the last layer of a model with fewer; for
                       P-Sigmoid, which searches from there on for it, 1)
  --rank RULE          what vision tokens are ranked by (default: instruction)
                       instruction      attention of all instruction tokens
                       instruction_max  the same, of the largest head
                       last             of the last token (FastV)
                       raters           of those about the image (SparseVLM)
                       self_cross       of vision tokens times that of
                                        instruction tokens (FitPrune)
                       next             of the last token, in the layer that
                                        reduces (PyramidDrop)
                       random, uniform  at random, evenly over the image
  --positions RULE     position ids of the tokens that stay: original, or
                       reindexed, without gaps (default: original)
  --budget LIST        of Scenario II: mean keeping rates, flops:X as a share of
                       the decoder's prefill FLOPs, kv:X of the KV cache
                       (default: ${DEFAULT_BUDGETS})
  --evaluations N      schedules that P-Sigmoid tries within each budget, and
                       its refinement again (default: ${DEFAULT_EVALUATIONS})
  --baselines LIST     what P-Sigmoid is compared with: all, none, or some of
                       refined (single layers moved by tokens, no sigmoid),
                       fastv, pyramiddrop, vtw, fitprune, sparsevlm, gsearch
                       (rescaled; with --scenario both), constant, psigmoid
                       (ranked at random and evenly) (default: all)
  --seed N             which calibration questions are drawn (default: 0)
  --out DIR            where results go (default: out): schedule.json and
                       search.jsonl, and of Scenario II schedule-B.json,
                       psigmoid-B.jsonl and refine-B.jsonl for each budget B
  --quick              few questions, and a tolerance of ${QUICK_EPSILON.bound} points for
                       bound: a first look
  --json               print one JSON object as the last line
  --help               print this

An interrupted search (Ctrl-C) goes on where it stood when started again with
the same options. Exit codes: 0 done, 2 wrong use or unreadable input, 130
interrupted. Narrower permissions than -A:
  --allow-read --allow-write=out --allow-env --allow-sys --allow-ffi
`;

const STRINGS = [
  "model",
  "scenario",
  "device",
  "weights",
  "data",
  "images",
  "split",
  "calibration",
  "heldout",
  "metric",
  "criterion",
  "epsilon",
  "first-layer",
  "rank",
  "positions",
  "budget",
  "evaluations",
  "baselines",
  "seed",
  "out",
] as const;
const COLLECTED = ["data"] as const;
const FLAGS = ["quick", "json", "help"] as const;

/**
 * Reads the command line.
 *
 * @returns the options, or null when help is wanted
 * @throws {RangeError} an option is unknown or has an impossible value
 */
export function parseOptions(args: readonly string[]): SearchOptions | null {
  const values = parseArgs([...args], {
    string: STRINGS,
    boolean: FLAGS,
    collect: COLLECTED,
    unknown: noSuchOption,
  });
  // What follows a lone "--" is not reported as unknown.
  if (values._.length > 0) noSuchOption(String(values._[0]));
  if (values.help) return null;

  const counts = values.quick ? QUICK_COUNTS : DEFAULT_COUNTS;
  const kind = oneOf("criterion", values.criterion ?? "bound", [
    "accuracy",
    "loss",
    "bound",
  ]);
  const scenario = oneOf("scenario", values.scenario ?? "1", [
    "1",
    "2",
    "both",
  ]);
  return {
    scenario,
    model: values.model === undefined ? null : text("model", values.model),
    device: oneOf("device", values.device ?? "auto", DEVICE_CHOICES),
    weights: oneOf("weights", values.weights ?? "f32", WEIGHT_TYPES),
    data: {
      files: values.data.map((file: string) => text("data", file)),
      images: values.images === undefined
        ? null
        : text("images", values.images),
      split: values.split === undefined ? null : text("split", values.split),
    },
    calibration: questions(
      "calibration",
      values.calibration,
      counts.calibration,
    ),
    heldout: questions("heldout", values.heldout, counts.heldout),
    metric: oneOf("metric", values.metric ?? "auto", METRIC_CHOICES),
    criterion: {
      kind,
      epsilon: values.epsilon === undefined
        ? (values.quick ? QUICK_EPSILON : EPSILON)[kind]
        : number("epsilon", values.epsilon),
    },
    firstLayer: values["first-layer"] === undefined
      ? null
      : integer("first-layer", values["first-layer"], 1),
    ranking: oneOf("rank", values.rank ?? "instruction", RANKINGS),
    positions: oneOf("positions", values.positions ?? "original", [
      "original",
      "reindexed",
    ]),
    budgets: parseBudgets("budget", values.budget ?? DEFAULT_BUDGETS),
    evaluations: values.evaluations === undefined
      ? (values.quick ? QUICK_EVALUATIONS : DEFAULT_EVALUATIONS)
      : integer("evaluations", values.evaluations, 1),
    baselines: parseBaselines(
      "baselines",
      values.baselines ?? "all",
      // Without G-Search there is no schedule to be rescaled.
      RIVALS.filter((rival) => rival !== "gsearch" || scenario === "both"),
    ),
    seed: integer("seed", values.seed ?? "0", 0),
    out: text("out", values.out ?? "out"),
    json: values.json,
  };
}

/** Refuses an option that there is not. */
export function noSuchOption(arg: string): never {
  throw new RangeError(
    `Cannot use ${arg} as there is no such option: see --help`,
  );
}

function questions(
  name: string,
  value: string | undefined,
  fallback: number,
): QuestionSource {
  if (value === undefined) return { count: fallback };
  return Number.isNaN(Number(value))
    ? { file: value }
    : { count: integer(name, value, 1, " or a file") };
}
