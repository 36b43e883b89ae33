/**
 * P-Sigmoid from the command line: within a budget, logged, resumable, with
 * progress.
 */

import { formatSeconds } from "../report/mod.ts";
import {
  type Budget,
  pSigmoid,
  type PSigmoidResult,
  type PSigmoidTrial,
  type WarmStart,
} from "../search/mod.ts";
import { openTrialLog, runLogged, type SearchIdentity } from "./log.ts";
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
  readonly lastFirstLayer: number;
  readonly warmStart: readonly WarmStart[];
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
  const { loaded, options, onCalibration, rules, visionTokens, signal } = setup;
  const { output: { say, status } } = setup;
  const { evaluateAnew, full, fullLoss } = onCalibration;
  const { layers } = loaded.model.config.decoder;
  const { leastFirstLayer: firstLayer, evaluations, seed } = options;
  const lastFirstLayer = layers - 1;
  const identity: BudgetIdentity = {
    model: loaded.name,
    budget,
    firstLayer,
    ranking: rules.ranking,
    positions: rules.positions,
    evaluations,
    seed,
    samples: full.total,
    fullLoss,
    lastFirstLayer,
    warmStart,
  };
  const path = `${options.out}/psigmoid-${label}.jsonl`;
  const log = await openTrialLog<PSigmoidTrial>(path, identity, say);
  const { recorded } = log;
  const search = pSigmoid(evaluateAnew, {
    layers,
    visionTokens,
    firstLayer,
    lastFirstLayer,
    budget,
    warmStart,
    evaluations,
    seed,
    recorded,
    signal,
    now: () => performance.now(),
  });
  let trials = recorded.length;
  let seconds = 0;
  if (trials > 0) say(`  goes on after trial ${trials} in ${path}`);
  try {
    return await runLogged(search, log, (trial) => {
      trials++;
      seconds += trial.seconds!;
      const mean = seconds / (trials - recorded.length);
      status.show(`  P-Sigmoid, trial ${trials}; ${leftText(trial, mean)}`);
    });
  } catch (error) {
    status.clear();
    say(`  P-Sigmoid stopped after trial ${trials}`);
    throw error;
  } finally {
    status.clear();
  }
}

/** The time left, and the schedule last, as narrow terminals have no room. */
export function leftText(
  { schedule, remaining }: Pick<PSigmoidTrial, "schedule" | "remaining">,
  seconds: number,
): string {
  const time = formatSeconds(seconds * remaining);
  return `trials left: at most ${remaining}, ${time}; [${schedule.join(", ")}]`;
}
