/**
 * G-Search from the command line: logged, resumable, with progress.
 */
// deno-lint-ignore-file no-console

import type { Schedule } from "../core/mod.ts";
import { formatSeconds } from "../report/mod.ts";
import {
  type Criterion,
  type Evaluate,
  type Evaluation,
  gSearch,
  type GSearchResult,
  type Trial,
} from "../search/mod.ts";
import { openTrialLog } from "./log.ts";
import type { SettledOptions } from "./options.ts";
import { createStatusLine } from "./progress.ts";

/**
 * Runs G-Search on calibration questions, appending every trial to
 * search.jsonl and taking up the trials that are there already.
 *
 * @param name what the log calls the model
 * @param all the schedule that removes nothing
 * @param evaluate runs it on the calibration questions
 * @throws the signal's reason, after printing what is known
 */
export async function runGSearch(
  name: string,
  all: Schedule,
  evaluate: Evaluate,
  { out, criterion, firstLayer, ranking }: SettledOptions,
  signal: AbortSignal,
): Promise<GSearchResult> {
  const status = createStatusLine();
  console.log(
    `\nG-Search from layer ${firstLayer}, ranking by ${ranking}, criterion ${criterion.kind}, epsilon ${criterion.epsilon} ${
      unitOf(criterion)
    }`,
  );
  status.show("full model on the calibration questions");
  const full = await evaluate(all, { signal });
  status.clear();

  const path = `${out}/search.jsonl`;
  const log = await openTrialLog(path, {
    model: name,
    criterion,
    firstLayer,
    ranking,
    samples: full.total,
    fullLoss: sumOfLosses(full),
  });
  const trials: Trial[] = [...log.recorded];
  if (trials.length > 0) {
    console.log(`  goes on after trial ${trials.length} in ${path}`);
  }

  const search = gSearch(evaluate, {
    layers: all.keep.length,
    visionTokens: all.visionTokens,
    firstLayer,
    criterion,
    full,
    recorded: log.recorded,
    now: () => performance.now(),
    signal,
  });
  try {
    while (true) {
      const step = await search.next();
      status.clear();
      if (step.done) {
        if (trials.length > 0) console.log(layerText(trials, criterion));
        return step.value;
      }
      const trial = step.value;
      const before = trials.at(-1);
      if (before && before.layer !== trial.layer) {
        console.log(layerText(trials, criterion));
      }
      await log.append(trial);
      trials.push(trial);
      status.show(statusText(trials));
    }
  } catch (error) {
    status.clear();
    if (signal.aborted) {
      const best = trials.findLast(({ verdict }) => verdict === "pass");
      console.log(
        `  stopped after trial ${trials.length}; best so far, not checked on held-out questions: ${
          best ? `[${best.schedule.join(", ")}]` : "the full model"
        }`,
      );
    }
    throw error;
  }
}

/** The layer that the last trial ends: what it keeps and how that was found. */
function layerText(trials: readonly Trial[], criterion: Criterion): string {
  const { layer } = trials.at(-1)!;
  const ofLayer = trials.filter((trial) => trial.layer === layer);
  const passed = trials.findLast(({ verdict }) => verdict === "pass");
  const keep = passed ? `${passed.schedule[layer]}` : "all";
  const drop = passed
    ? `, drop: ${passed.meanDrop.toFixed(3)} ${unitOf(criterion)}`
    : "";
  return `  layer ${
    String(layer).padStart(2)
  } keeps ${keep} (trials: ${ofLayer.length}${drop})`;
}

/** The layer under search, the trial, the best so far, the time left. */
function statusText(trials: readonly Trial[]): string {
  const { layer, keep, verdict, remaining } = trials.at(-1)!;
  const best = trials.findLast(({ verdict }) => verdict === "pass");
  const timed = trials.flatMap(({ seconds }) =>
    seconds === undefined ? [] : [seconds]
  );
  const mean = timed.reduce((sum, seconds) => sum + seconds, 0) / timed.length;
  return `  layer ${layer}, trial ${trials.length}: keeping ${keep} ${verdict}ed; best ${
    best ? best.keep : "all"
  }; trials left: at most ${remaining}, ${formatSeconds(mean * remaining)}`;
}

function unitOf({ kind }: Criterion): string {
  return kind === "loss" ? "nats" : "points";
}

/** In the order of the samples, so that it is the same to the last bit. */
function sumOfLosses({ samples }: Evaluation): number {
  return samples.reduce((sum, { loss }) => sum + loss, 0);
}
