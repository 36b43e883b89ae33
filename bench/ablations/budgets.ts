/** Scenario II at four budgets, beside every baseline. */
// deno-lint-ignore-file no-console

import { BASELINE_METHODS, type Budget } from "../../search/mod.ts";
import {
  budgetRows,
  compareAtBudget,
  LEAST_FIRST_LAYER,
  statisticsOf,
  unmetText,
} from "../../study/mod.ts";
import { createStatusLine } from "../progress.ts";
import { finish, type Lab, scheduleCells } from "./lab.ts";
import { printTable, printText } from "./page.ts";
import { refine } from "./refine.ts";

/** Mean keeping rates; below .125 layer 0 of models/tiny alone costs too much. */
const RATES = [.4, .27, .17, .15];

/** Prints a table for each budget. */
export async function compareBudgets(lab: Lab): Promise<void> {
  const { study, evaluations } = lab;
  const { calibration, heldout, onCalibration } = study;
  const { schedule: gSearch } = await lab.gSearch();
  const attention = await statisticsOf(study, createStatusLine()).attention();
  printText(
    `Each method at the same mean keeping rate: its accuracy on ${heldout.samples.length} held-out questions, its difference from P-Sigmoid in points with the paired 95 % interval (below 0: P-Sigmoid is better), the decoder's prefill FLOPs and its KV cache, and the measured time of a prefill and of a decoded token.`,
    '"Refined freely" moves tokens between single layers, from P-Sigmoid\'s schedule on.',
    `The searches see ${calibration.samples.length} calibration questions; P-Sigmoid tries ${evaluations} schedules, and the refinement as many.`,
  );
  for (const rate of RATES) {
    const budget: Budget = { kind: "rate", limit: rate };
    const found = await lab.pSigmoid(rate);
    const { schedule: refined } = await finish(
      refine(onCalibration.evaluateAnew, {
        start: found,
        budget,
        firstLayer: LEAST_FIRST_LAYER,
        evaluations,
      }),
    );
    const choice = { kind: "rate", share: rate } as const;
    const { runs, unmet } = await compareAtBudget(study, choice, {
      budget,
      firstLayer: LEAST_FIRST_LAYER,
      found,
      gSearch,
      attention,
      methods: BASELINE_METHODS,
      others: { "  refined freely": refined },
    });
    console.log(`### Mean keeping rate ${rate}\n`);
    printTable(budgetRows(runs));
    if (unmet.length > 0) printText(`Cannot meet it: ${unmetText(unmet)}.`);
    const [, own] = scheduleCells(found);
    const [, free] = scheduleCells(refined);
    printText(`P-Sigmoid keeps ${own}; refined ${free}.`);
  }
}
