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
import {
  BASELINE_METHODS,
  type BaselineMethod,
  type Criterion,
} from "../search/mod.ts";
import {
  ALIASES,
  type Information,
  noSuchOption,
  refuseValues,
  wantedInformation,
} from "./arguments.ts";
import { parseBaselines, parseBudgets } from "./budgets.ts";
import { DEVICE_CHOICES, type DeviceChoice } from "../study/device.ts";
import type { DataOptions, QuestionSource } from "../study/questions.ts";
import {
  DEFAULT_BUDGETS,
  DEFAULT_COUNTS,
  DEFAULT_EPSILON,
  DEFAULT_EVALUATIONS,
  defaultFirstLayer,
  LEAST_FIRST_LAYER,
  P_SIGMOID_COUNTS,
  QUICK_COUNTS,
  QUICK_EPSILON,
  QUICK_EVALUATIONS,
} from "../study/defaults.ts";
import type { BudgetChoice } from "../study/budgets.ts";
import { METRIC_CHOICES, type MetricChoice } from "../study/metrics.ts";
import { integer, number, oneOf, text } from "./values.ts";

/** The options of search.ts. */
export interface SearchOptions {
  /** Directory of the model, or null for the embedded one. */
  readonly model: string | null;
  /**
   * I: the least cost without losing performance; II: the best within a budget.
   */
  readonly scenario: "1" | "2" | "both";
  /** The device that runs the model. */
  readonly device: DeviceChoice;
  /** How the weights of linear layers are stored. */
  readonly weights: WeightType;
  /**
   * The data set that both sets of questions are taken from, if there is one.
   */
  readonly data: DataOptions;
  /** The questions that the search evaluates. */
  readonly calibration: QuestionSource;
  /** The questions that the result is judged on. */
  readonly heldout: QuestionSource;
  /** The metric of generated answers to the held-out questions. */
  readonly metric: MetricChoice;
  /** When a schedule counts as good as the full model. */
  readonly criterion: Criterion;
  /** The first layer that may be reduced; null for the model's default. */
  readonly firstLayer: number | null;
  /** How vision tokens are ranked. */
  readonly ranking: Ranking;
  /** The position ids of the tokens that are kept. */
  readonly positions: PositionRule;
  /** The budgets of Scenario II. */
  readonly budgets: readonly BudgetChoice[];
  /** The number of schedules that P-Sigmoid tries within each budget. */
  readonly evaluations: number;
  /** The methods that P-Sigmoid is compared with. */
  readonly baselines: readonly BaselineMethod[];
  /** The seed of the calibration scenes. */
  readonly seed: number;
  /** Directory for results. */
  readonly out: string;
  /** The name of the run; null if it has none. */
  readonly study: string | null;
  /** Whether to list the searches in that directory instead of searching. */
  readonly list: boolean;
  /**
   * The file that trials are exported to instead of searching; null for none.
   */
  readonly exportTo: string | null;
  /** Whether standard output is a single JSON object. */
  readonly json: boolean;
}

/** The options for a certain model. */
export interface SettledOptions extends SearchOptions {
  /** The first layer that may be reduced. */
  readonly firstLayer: number;
  /**
   * The smallest first layer in Scenario II. P-Sigmoid searches the first layer
   * from here on, because it knows without a trial which first layers a budget
   * rules out.
   */
  readonly leastFirstLayer: number;
}

/**
 * Fills in the options that depend on the model.
 *
 * @param layers decoder layers of the model
 * @throws {RangeError} the model has too few layers for the options
 */
export function settleOptions(
  options: SearchOptions,
  layers: number,
): SettledOptions {
  const firstLayer = options.firstLayer ?? defaultFirstLayer(layers);
  if (firstLayer >= layers) {
    throw new RangeError(
      `Cannot use --first-layer as it must be below ${layers}, the model's decoder layers: current value is ${firstLayer}`,
    );
  }
  return {
    ...options,
    firstLayer,
    leastFirstLayer: options.firstLayer ?? LEAST_FIRST_LAYER,
  };
}

const STRINGS = [
  "model",
  "scenario",
  "device",
  "weights",
  "data",
  "images",
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
  "study",
  "export",
] as const;
const COLLECTED = ["data"] as const;
const FLAGS = ["quick", "list", "json", "help", "version"] as const;
const NAMES = { strings: STRINGS, flags: FLAGS };

/**
 * Reads the command line.
 *
 * @returns the options, or the text that the user asks for instead of a search
 * @throws {RangeError} an option is unknown or has an invalid value
 */
export function parseOptions(
  args: readonly string[],
): SearchOptions | Information {
  refuseValues(args, NAMES);
  const values = parseArgs([...args], {
    string: STRINGS,
    boolean: FLAGS,
    alias: ALIASES,
    collect: COLLECTED,
    unknown: (arg: string) => noSuchOption(arg, NAMES),
  });
  // The parser does not report arguments after a lone "--" as unknown.
  if (values._.length > 0) noSuchOption(String(values._[0]), NAMES);
  const information = wantedInformation(values);
  if (information !== null) return information;

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
  if (scenario === "1") {
    refuse(values, ["budget", "evaluations", "baselines"], OF_SCENARIO_2);
  }
  if (scenario === "2") refuse(values, ["criterion", "epsilon"], OF_SCENARIO_1);
  if (values.data.length === 0) {
    refuse(values, ["images"], "it is about the file of --data");
  }
  const counts = values.quick
    ? QUICK_COUNTS
    : scenario === "2"
    ? P_SIGMOID_COUNTS
    : DEFAULT_COUNTS;
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
        ? (values.quick ? QUICK_EPSILON : DEFAULT_EPSILON)[kind]
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
      // Without G-Search there is no schedule to rescale.
      BASELINE_METHODS.filter((method) =>
        method !== "gsearch" || scenario === "both"
      ),
    ),
    seed: integer("seed", values.seed ?? "0", 0),
    out: text("out", values.out ?? "out"),
    study: values.study === undefined ? null : text("study", values.study),
    list: values.list,
    exportTo: values.export === undefined
      ? null
      : text("export", values.export),
    json: values.json,
  };
}

const OF_SCENARIO_1 = "it is of Scenario I: give --scenario 1 or both";
const OF_SCENARIO_2 = "it is of Scenario II: give --scenario 2 or both";

/** Refuses options that would have no effect. */
function refuse<T extends string>(
  values: Readonly<Partial<Record<T, string>>>,
  names: readonly T[],
  why: string,
): void {
  const name = names.find((name) => values[name] !== undefined);
  if (name !== undefined) {
    throw new RangeError(`Cannot use --${name} as ${why}`);
  }
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
