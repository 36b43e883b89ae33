/**
 * P-Sigmoid from the command line: within a budget, recorded, resumable, with
 * progress.
 */

import { formatSeconds } from "../report/mod.ts";
import {
  type Budget,
  pSigmoid,
  type PSigmoidResult,
  type PSigmoidState,
  type PSigmoidTrial,
  resumePSigmoid,
  type WarmStart,
} from "../search/mod.ts";
import type { Setup } from "./setup.ts";
import { openTrials, remembering, runRecorded } from "./trials.ts";

/** The search within one budget. */
export interface BudgetSearch {
  readonly budget: Budget;
  /** The part of file names that stands for the budget. */
  readonly label: string;
  /** The sigmoids that the search starts from. */
  readonly warmStart: readonly WarmStart[];
}

/**
 * Runs P-Sigmoid on the calibration questions. It records every trial and
 * resumes from the trials that are already recorded.
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
  const { full, fullLoss } = onCalibration;
  const { layers } = loaded.model.config.decoder;
  const { leastFirstLayer: firstLayer, evaluations, seed } = options;
  const lastFirstLayer = layers - 1;
  const space = {
    ...{ layers, visionTokens, firstLayer, lastFirstLayer },
    ...{ budget, warmStart, evaluations, seed },
  };
  const recording = await openTrials<PSigmoidTrial>(setup, {
    search: "P-Sigmoid",
    told: `budget ${label}`,
    label: `psigmoid-${label}`,
    options: { ...space, ...rules },
    old: {
      path: `${options.out}/psigmoid-${label}.jsonl`,
      identity: {
        ...{ model: loaded.name, budget, firstLayer, ...rules },
        ...{ evaluations, seed, samples: full.total, fullLoss },
        ...{ lastFirstLayer, warmStart },
      },
      check: (trials) => resumePSigmoid(space, trials),
    },
  });
  const { recorded } = recording;
  const asked = remembering(onCalibration.evaluateAnew);
  let state = recording.state as PSigmoidState | null;
  const search = pSigmoid(asked.evaluate, {
    ...space,
    recorded,
    signal,
    now: () => performance.now(),
    ...state && { state },
    onState: (next) => state = next,
  });
  let trials = recorded.length;
  let seconds = 0;
  try {
    return await runRecorded(search, recording, {
      asked,
      state: () => state,
      show(trial) {
        trials++;
        seconds += trial.seconds!;
        const mean = seconds / (trials - recorded.length);
        status.show(`  P-Sigmoid, trial ${trials}; ${leftText(trial, mean)}`);
      },
    });
  } catch (error) {
    status.clear();
    say(`  P-Sigmoid stopped after trial ${trials}`);
    throw error;
  } finally {
    status.clear();
  }
}

/**
 * The time left. The schedule comes last, because narrow terminals have no room
 * for it.
 */
export function leftText(
  { schedule, remaining }: Pick<PSigmoidTrial, "schedule" | "remaining">,
  seconds: number,
): string {
  const time = formatSeconds(seconds * remaining);
  return `trials left: at most ${remaining}, ${time}; [${schedule.join(", ")}]`;
}
