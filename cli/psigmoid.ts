/**
 * The searches of Scenario II from the command line: P-Sigmoid within a budget
 * and its free refinement, logged, resumable, with progress.
 */

import { formatSeconds } from "../report/mod.ts";
import {
  type Budget,
  pSigmoid,
  type PSigmoidResult,
  type PSigmoidTrial,
  refine,
  type RefineResult,
  type RefineTrial,
  type TrialOptions,
  type WarmStart,
} from "../search/mod.ts";
import {
  openTrialLog,
  runLogged,
  type SearchIdentity,
  type TrialLog,
} from "./log.ts";
import type { Output } from "./output.ts";
import type { Setup } from "./setup.ts";

/** What is searched, and where its logs go. */
export interface BudgetSearch {
  readonly budget: Budget;
  /** What files are named after. */
  readonly label: string;
  /** Forms to begin with. */
  readonly warmStart: readonly WarmStart[];
}

/** What all trials within a budget depend on. */
interface BudgetIdentity extends SearchIdentity {
  readonly budget: Budget;
  readonly evaluations: number;
  readonly seed: number;
}

function identityOf(
  { loaded, options, onCalibration: { full, fullLoss } }: Setup,
  budget: Budget,
): BudgetIdentity {
  const { leastFirstLayer, ranking, positions, evaluations, seed } = options;
  return {
    ...{ model: loaded.name, budget, firstLayer: leastFirstLayer },
    ...{ ranking, positions, evaluations, seed },
    ...{ samples: full.total, fullLoss },
  };
}

/**
 * Runs P-Sigmoid, appending every trial to psigmoid-….jsonl.
 *
 * @throws {RangeError} no schedule meets the budget
 * @throws the signal's reason, when aborted
 */
export async function runPSigmoid(
  setup: Setup,
  { budget, label, warmStart }: BudgetSearch,
): Promise<PSigmoidResult> {
  const { onCalibration: { evaluateAnew }, options, visionTokens, output } =
    setup;
  const { layers } = setup.loaded.model.config.decoder;
  const { leastFirstLayer: firstLayer, evaluations, seed } = options;
  const lastFirstLayer = layers - 1;
  const path = `${options.out}/psigmoid-${label}.jsonl`;
  const identity = { ...identityOf(setup, budget), lastFirstLayer, warmStart };
  const log = await openTrialLog<PSigmoidTrial>(path, identity, output.say);
  const search = pSigmoid(evaluateAnew, {
    ...{ layers, visionTokens, firstLayer, lastFirstLayer },
    ...{ budget, warmStart, evaluations, seed },
    ...taking(log.recorded, setup.signal),
  });
  return await follow(search, log, { name: "P-Sigmoid", output });
}

/**
 * Moves tokens between single layers from P-Sigmoid's schedule on, appending
 * every trial to refine-….jsonl.
 *
 * @throws the signal's reason, when aborted
 */
export async function runRefine(
  setup: Setup,
  { budget, label }: BudgetSearch,
  { schedule: start }: PSigmoidResult,
): Promise<RefineResult> {
  const { onCalibration: { evaluateAnew }, options, output } = setup;
  const { leastFirstLayer: firstLayer, evaluations, seed } = options;
  const path = `${options.out}/refine-${label}.jsonl`;
  const identity = { ...identityOf(setup, budget), start };
  const log = await openTrialLog<RefineTrial>(path, identity, output.say);
  const search = refine(evaluateAnew, {
    ...{ start, budget, firstLayer, evaluations, seed },
    ...taking(log.recorded, setup.signal),
  });
  return await follow(search, log, { name: "refinement", output });
}

/** What every search takes besides its space. */
function taking<T>(
  recorded: readonly T[],
  signal: AbortSignal,
): TrialOptions<T> {
  return { recorded, signal, now: () => performance.now() };
}

/** What progress shows of a trial. */
interface TimedTrial {
  readonly schedule: readonly number[];
  readonly remaining: number;
  readonly seconds?: number;
}

/** The time left, and the schedule last, as narrow terminals have no room. */
export function leftText(
  { schedule, remaining }: TimedTrial,
  seconds: number,
): string {
  const time = formatSeconds(seconds * remaining);
  return `trials left: at most ${remaining}, ${time}; [${schedule.join(", ")}]`;
}

/** Runs a search with progress. */
async function follow<T extends TimedTrial, R>(
  search: AsyncGenerator<T, R, void>,
  log: TrialLog<T>,
  { name, output: { say, status } }: {
    readonly name: string;
    readonly output: Output;
  },
): Promise<R> {
  let trials = log.recorded.length;
  let seconds = 0;
  if (trials > 0) say(`  goes on after trial ${trials} in ${log.path}`);
  try {
    return await runLogged(search, log, (trial) => {
      trials++;
      seconds += trial.seconds!;
      const mean = seconds / (trials - log.recorded.length);
      status.show(`  ${name}, trial ${trials}; ${leftText(trial, mean)}`);
    });
  } catch (error) {
    status.clear();
    say(`  ${name} stopped after trial ${trials}`);
    throw error;
  } finally {
    status.clear();
  }
}
