/**
 * G-Search from the command line: recorded, resumable, with progress.
 */

import { formatSeconds } from "../report/mod.ts";
import {
  type Criterion,
  gSearch,
  type GSearchResult,
  resumeGSearch,
  type Trial,
} from "../search/mod.ts";
import type { Setup } from "./setup.ts";
import { openTrials, remembering, runRecorded } from "./trials.ts";

/**
 * Runs G-Search on the calibration questions. It records every trial and
 * resumes from the trials that are already recorded.
 *
 * @throws the signal's reason, after printing the layers found so far
 */
export async function runGSearch(setup: Setup): Promise<GSearchResult> {
  const { loaded, options, onCalibration, rules, visionTokens, signal } = setup;
  const { output } = setup;
  const { model: { config }, name } = loaded;
  const { out, criterion, firstLayer } = options;
  const { ranking, positions } = rules;
  const { full, fullLoss } = onCalibration;
  const { say, status } = output;
  say(
    `\nG-Search from layer ${firstLayer}, ranking by ${ranking}, criterion ${criterion.kind}, epsilon ${criterion.epsilon} ${
      unitOf(criterion)
    }`,
  );
  const { layers } = config.decoder;
  const space = { layers, visionTokens, firstLayer };
  const recording = await openTrials<Trial>(setup, {
    search: "G-Search",
    told: `${criterion.kind} ${criterion.epsilon}`,
    label: "gsearch",
    options: { ...space, criterion, ...rules },
    old: {
      path: `${out}/search.jsonl`,
      identity: {
        ...{ model: name, criterion, firstLayer, ranking, positions },
        ...{ samples: full.total, fullLoss },
      },
      check: (trials) => resumeGSearch(space, trials),
    },
  });
  const { recorded } = recording;
  const trials: Trial[] = [...recorded];
  const asked = remembering(onCalibration.evaluate);
  const search = gSearch(asked.evaluate, {
    ...space,
    criterion,
    full,
    recorded,
    now: () => performance.now(),
    signal,
  });
  const show = (trial: Trial): void => {
    status.clear();
    const before = trials.at(-1);
    if (before && before.layer !== trial.layer) {
      say(layerText(trials, criterion));
    }
    trials.push(trial);
    status.show(statusText(trials));
  };
  try {
    const result = await runRecorded(search, recording, { asked, show });
    status.clear();
    if (trials.length > 0) say(layerText(trials, criterion));
    return result;
  } catch (error) {
    status.clear();
    if (signal.aborted) {
      const best = trials.findLast(({ verdict }) => verdict === "pass");
      say(
        `  stopped after trial ${trials.length}; best so far, not checked on held-out questions: ${
          best ? `[${best.schedule.join(", ")}]` : "the full model"
        }`,
      );
    }
    throw error;
  }
}

/**
 * Describes the layer that the last trial completes: its keep count, and how
 * the search found it.
 */
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

/**
 * The layer under search, the trial, the best count so far, and the time left.
 */
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
