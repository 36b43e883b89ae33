/**
 * How often does `askBayes()` find the maximum of its acquisition function? States
 * come from optimisations of random functions over continuous and mixed spaces,
 * some with a constraint or with failures. Beside each suggestion stands the best
 * of a brute-force sweep of the same acquisition function, half of it over the
 * whole space and half of it around evaluated points, with its best points
 * polished.
 *
 *     deno run -A bench/optim_acquisition.ts                  # 500 states, about 10 min of one core
 *     deno run -A bench/optim_acquisition.ts --states 60 --sweep 20000
 *     deno run -A bench/optim_acquisition.ts --first 1000     # functions for tuning
 *
 * Reported figures are of the functions from 0 on; those from 1000 on were used to
 * choose the settings of optim/propose.ts.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { askBayes } from "../optim/bayes.ts";
import { bruteForce, SIZES, SPACES, statesOf } from "./optim_states.ts";
import { createStatusLine } from "./progress.ts";

/** Log expected improvement that a suggestion may miss, in nats. */
const TOLERANCE = 0.05;

const args = parseArgs(Deno.args, {
  string: ["states", "sweep", "first"],
  default: { states: "500", sweep: "100000", first: "0" },
});
const status = createStatusLine();
const wanted = Number(args.states);
const gaps: { space: string; gap: number; size: number }[] = [];
let milliseconds = 0;
for (let index = Number(args.first); gaps.length < wanted; index++) {
  for (const { space, state } of statesOf(index)) {
    if (gaps.length === wanted) break;
    const begin = performance.now();
    const { logImprovement } = askBayes(state);
    milliseconds += performance.now() - begin;
    const reference = bruteForce(state, Number(args.sweep));
    gaps.push({
      space,
      gap: reference - (logImprovement ?? -Infinity),
      size: state.evaluations.length,
    });
    status.show(`${gaps.length} of ${wanted} states`);
  }
}
status.clear();
const report = (label: string, chosen: typeof gaps): void => {
  const found = chosen.filter(({ gap }) => gap <= TOLERANCE).length;
  const largest = Math.max(...chosen.map(({ gap }) => gap));
  console.log(
    `${
      label.padEnd(42)
    } ${found} of ${chosen.length} within ${TOLERANCE} nats (${
      (100 * found / chosen.length).toFixed(1)
    } %), largest gap ${largest.toFixed(2)}`,
  );
};
for (const name of Object.keys(SPACES)) {
  const chosen = gaps.filter(({ space }) => space === name);
  if (chosen.length > 0) report(name, chosen);
}
for (const size of SIZES) {
  report(`n = ${size}`, gaps.filter((gap) => gap.size === size));
}
report("all", gaps);
console.log(
  `${(milliseconds / gaps.length).toFixed(1)} ms for a suggestion on average`,
);
