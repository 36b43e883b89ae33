/**
 * G-Search from the command line: logged, resumable, with progress.
 */

import { formatSeconds } from "../report/mod.ts";
import {
  type Criterion,
  gSearch,
  type GSearchResult,
  type Trial,
} from "../search/mod.ts";
import { openTrialLog, runLogged, type SearchIdentity } from "./log.ts";
import type { Setup } from "./setup.ts";

/** What the trials of G-Search depend on. */
interface GSearchIdentity extends SearchIdentity {
  /** When a trial passes. */
  readonly criterion: Criterion;
}

/**
 * Runs G-Search on calibration questions, appending every trial to
 * search.jsonl and taking up the trials that are there already.
 *
 * @throws the signal's reason, after printing what is known
 */
export async function runGSearch(
  { loaded, options, onCalibration, rules, visionTokens, signal, output }:
    Setup,
): Promise<GSearchResult> {
  const { model: { config }, name } = loaded;
  const { out, criterion, firstLayer } = options;
  const { ranking, positions } = rules;
  const { evaluate, full, fullLoss } = onCalibration;
  const { say, status } = output;
  say(
    `\nG-Search from layer ${firstLayer}, ranking by ${ranking}, criterion ${criterion.kind}, epsilon ${criterion.epsilon} ${
      unitOf(criterion)
    }`,
  );
  const path = `${out}/search.jsonl`;
  const identity: GSearchIdentity = {
    model: name,
    criterion,
    firstLayer,
    ranking,
    positions,
    samples: full.total,
    fullLoss,
  };
  const log = await openTrialLog<Trial>(path, identity, say);
  const trials: Trial[] = [...log.recorded];
  if (trials.length > 0) {
    say(`  goes on after trial ${trials.length} in ${path}`);
  }

  const search = gSearch(evaluate, {
    layers: config.decoder.layers,
    visionTokens,
    firstLayer,
    criterion,
    full,
    recorded: log.recorded,
    now: () => performance.now(),
    signal,
  });
  try {
    const result = await runLogged(search, log, (trial) => {
      status.clear();
      const before = trials.at(-1);
      if (before && before.layer !== trial.layer) {
        say(layerText(trials, criterion));
      }
      trials.push(trial);
      status.show(statusText(trials));
    });
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
