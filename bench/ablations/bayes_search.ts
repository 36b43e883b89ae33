/**
 * G-Search with Bayesian optimisation in place of bisection, as the paper is
 * reported to do it: at each layer it minimises the keep count while performance
 * drops by at most epsilon.
 */

import { fromKeepCounts, type Schedule } from "../../core/mod.ts";
import { askBayes, initBayes, tellBayes } from "../../optim/mod.ts";
import {
  type Criterion,
  type Evaluate,
  type Evaluation,
  meanDrop,
} from "../../search/mod.ts";
import { createCaller } from "../../search/calls.ts";

/** Options of the search. */
export interface BayesLayers {
  readonly layers: number;
  readonly visionTokens: number;
  readonly firstLayer: number;
  /** Loss or accuracy; the criterion `bound` is no mean of samples. */
  readonly criterion: Criterion;
  /** The full model on the same questions. */
  readonly full: Evaluation;
  readonly seed?: number;
}

/** Most trials at one layer. */
export const MOST_TRIALS = 12;

/** The result, and every schedule that was tried. */
export interface BayesSearchResult {
  readonly schedule: Schedule;
  readonly trials: readonly Schedule[];
}

/** Runs the search; each trial sees all questions. */
export async function gSearchByBayes(
  evaluate: Evaluate,
  { layers, visionTokens, firstLayer, criterion, full, seed = 0 }: BayesLayers,
): Promise<BayesSearchResult> {
  const call = createCaller(evaluate, undefined);
  const trials: Schedule[] = [];
  const decided: number[] = Array(firstLayer).fill(visionTokens);
  /** The least count known to pass, and the drop there. */
  let best = { keep: visionTokens, drop: 0 };
  for (let layer = firstLayer; layer < layers; layer++) {
    const failed = new Set<number>();
    let state = initBayes({
      parameters: { keep: { kind: "integer", low: 0, high: best.keep } },
      goal: "minimise",
      constraints: ["drop"],
      startingPoints: 3,
      seed: layers * seed + layer,
    });
    const tell = (keep: number, drop: number): void => {
      state = tellBayes(state, { keep }, {
        value: keep,
        constraints: { drop: drop - criterion.epsilon },
      });
    };
    // This run equals the last one that passed in the layer before.
    tell(best.keep, best.drop);
    for (
      let trial = 0;
      trial < MOST_TRIALS && best.keep > 0 && !failed.has(best.keep - 1);
      trial++
    ) {
      const { state: asked, points: [point] } = askBayes(state);
      if (point === undefined) break;
      state = asked;
      const keep = point.keep as number;
      const counts = [...decided, ...Array(layers - layer).fill(keep)];
      const schedule = fromKeepCounts(counts, visionTokens);
      trials.push(schedule);
      const evaluation = await call(schedule);
      const drop = meanDrop(criterion, full, evaluation);
      tell(keep, drop);
      if (drop > criterion.epsilon) failed.add(keep);
      else if (keep < best.keep) best = { keep, drop };
    }
    decided.push(best.keep);
  }
  return { schedule: fromKeepCounts(decided, visionTokens), trials };
}
