/**
 * Where a Bayesian optimisation evaluates next, by what it believes.
 */

// This module is browser compatible.

import { logConstrainedExpectedImprovement } from "./acquisition.ts";
import {
  type BayesModel,
  bestExpected,
  type Expected,
  fitModel,
} from "./bayes_model.ts";
import { type BayesState, type Fit, takenKeys } from "./bayes_state.ts";
import { condition, createPredictor, type GaussianProcess } from "./gp.ts";
import { type Candidate, propose } from "./propose.ts";
import type { Prng } from "./random.ts";
import { encode, type Point, pointKey } from "./space.ts";

/** Points to evaluate next. */
export interface Proposals {
  /**
   * The points with their log (constrained) expected improvement, in the unit
   * of the transformed values.
   */
  readonly candidates: readonly Candidate[];
  /** Hyper-parameters of the models, for the state. */
  readonly fits: readonly (Fit | null)[];
}

/**
 * The points where most improvement is expected, one after the other.
 *
 * @param state The optimisation, with at least one value.
 * @param count How many.
 * @param random Makes the points to try.
 * @returns The points; fewer when all others are taken.
 */
export function proposeByModel(
  state: BayesState,
  count: number,
  random: Prng,
): Proposals {
  const model = fitModel(state);
  let belief: Belief = { model, best: bestExpected(state, model) };
  for (const point of state.pending) belief = believe(belief, point);
  const taken = state.noisy ? new Set<string>() : takenKeys(model.space, state);
  const candidates: Candidate[] = [];
  while (candidates.length < count) {
    const { best, model: { space, objective, constraints } } = belief;
    const proposal = propose(
      space,
      logConstrainedExpectedImprovement(
        objective,
        best?.value ?? null,
        constraints,
      ),
      { around: best === null ? [] : [best.x], taken, random },
    );
    if (proposal === null) break;
    candidates.push(proposal);
    if (!state.noisy) taken.add(pointKey(space, proposal.point));
    belief = believe(belief, proposal.point);
  }
  return { candidates, fits: model.fits };
}

/** A model, and the best point if all comes out as it expects. */
interface Belief {
  readonly model: BayesModel;
  readonly best: Expected | null;
}

/** The belief after a point came out as expected. */
function believe({ model, best }: Belief, point: Point): Belief {
  const x = encode(model.space, point);
  const expected = (gp: GaussianProcess): number =>
    createPredictor(gp)(x, false).mean;
  const { objective, constraints } = model;
  const value = expected(objective);
  const isBest = (best === null || value > best.value) &&
    constraints.every(({ gp, limit }) => expected(gp) <= limit);
  return {
    model: {
      ...model,
      objective: condition(objective, x, value),
      constraints: constraints.map(({ gp, limit }) => ({
        gp: condition(gp, x, expected(gp)),
        limit,
      })),
    },
    best: isBest ? { point, x, value } : best,
  };
}
