// Whether suggestions are where the acquisition function is largest.

import { assert } from "@std/assert";
import { askBayes } from "../../optim/mod.ts";
import { bruteForce, statesOf } from "../../bench/optim_states.ts";

/** Optimisations of random functions, one of each space and kind of trouble. */
const OPTIMISATIONS = [3, 5, 6, 7, 10];

Deno.test("`askBayes()` misses no maximum that a sweep of a mixed space finds", () => {
  for (const index of OPTIMISATIONS) {
    for (const { space, state } of statesOf(index)) {
      const { logImprovement } = askBayes(state);
      const reference = bruteForce(state, 2000);
      assert(
        logImprovement! >= reference - 0.05,
        `${space}, ${state.evaluations.length} evaluations: ${logImprovement} instead of ${reference}`,
      );
      if (state.evaluations.length >= 35) break;
    }
  }
});
