/**
 * The gain of each choice: docs/ablations.md, section by section, on models/tiny.
 *
 *     deno task bench:ablations > docs/ablations.md
 *     deno task bench:ablations --only ranking,positions --heldout 500
 *     deno task bench:ablations --only transfer --other DIR
 *
 * `--other` is a second model of equal depth, such as the one that
 * `train/train.py --seed 0` makes. Sections and their durations are reported on
 * standard error. `--calibration`, `--heldout`, `--evaluations` and `--seeds` make
 * it shorter; fewer than 528 calibration questions also need a larger `--epsilon`.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { formatSeconds } from "../report/mod.ts";
import { DEFAULT_EPSILON, P_SIGMOID_COUNTS } from "../study/mod.ts";
import { compareBudgets } from "./ablations/budgets.ts";
import { type Lab, type LabOptions, openLab } from "./ablations/lab.ts";
import { printText } from "./ablations/page.ts";
import { comparePositions, compareRankings } from "./ablations/rules.ts";
import {
  compareCriteria,
  compareFirstLayers,
  compareOptimisers,
  compareSizes,
} from "./ablations/searches.ts";
import { compareTransfer } from "./ablations/transfer.ts";

const args = parseArgs(Deno.args, {
  string: [
    ...["only", "other", "calibration", "heldout", "evaluations", "seeds"],
    ...["epsilon", "sizes"],
  ],
  default: {
    calibration: String(P_SIGMOID_COUNTS.calibration),
    heldout: String(P_SIGMOID_COUNTS.heldout),
    evaluations: "30",
    seeds: "3",
    sizes: "32,64,128,256,512",
    epsilon: String(DEFAULT_EPSILON.bound),
  },
});
const sizes = args.sizes.split(",").map(Number);
const options: LabOptions = {
  model: null,
  calibration: Number(args.calibration),
  heldout: Number(args.heldout),
  evaluations: Number(args.evaluations),
  epsilon: Number(args.epsilon),
};

/** Titles and functions of the sections, by their names in `--only`. */
const SECTIONS: Readonly<
  Record<string, readonly [title: string, (lab: Lab) => Promise<void>]>
> = {
  budgets: ["P-Sigmoid and all others within a budget", compareBudgets],
  ranking: ["Ranking rule", compareRankings],
  positions: ["Positions kept or re-indexed", comparePositions],
  "first-layer": ["First layer that may be reduced", compareFirstLayers],
  calibration: [
    "Calibration questions",
    (lab) => compareSizes(lab, { sizes, seeds: Number(args.seeds) }),
  ],
  criterion: ["Criterion of G-Search", compareCriteria],
  optimiser: [
    "Bisection or Bayesian optimisation inside G-Search",
    compareOptimisers,
  ],
  transfer: ["Transfer to another model of equal depth", transfer],
};

async function transfer(lab: Lab): Promise<void> {
  if (args.other === undefined) {
    printText("Not run: needs a second model (`--other DIR`).");
    return;
  }
  using other = await openLab({ ...options, model: args.other });
  await compareTransfer(lab, other);
}

const names = args.only?.split(",") ?? Object.keys(SECTIONS);
for (const name of names) {
  if (!(name in SECTIONS)) {
    throw new RangeError(
      `Cannot use --only as it must be some of ${
        Object.keys(SECTIONS).join(", ")
      }: current value is "${args.only}"`,
    );
  }
}
console.log("# Ablations\n");
printText(
  "What each choice is worth on models/tiny: `deno task bench:ablations` prints this page.",
  `${options.calibration} calibration questions unless said otherwise, and ${options.heldout} held-out questions that no search saw; differences are paired and stand with their 95 % intervals.`,
);
using lab = await openLab(options);
const start = performance.now();
for (const name of names) {
  const [title, print] = SECTIONS[name];
  const before = performance.now();
  console.log(`## ${title}\n`);
  await print(lab);
  const seconds = (performance.now() - before) / 1000;
  console.error(`${name}: ${formatSeconds(seconds)}`);
}
console.error(`all: ${formatSeconds((performance.now() - start) / 1000)}`);
