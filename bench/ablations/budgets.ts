/** Scenario II at four budgets, beside every baseline. */
// deno-lint-ignore-file no-console

import { budgetRows, unmetText } from "../../cli/budget_table.ts";
import { compareAtBudget } from "../../cli/scenario2.ts";
import { attentionShares } from "../../eval/mod.ts";
import { type Budget, refine } from "../../search/mod.ts";
import { finish, type Lab, scheduleCells } from "./lab.ts";
import { printTable, printText } from "./page.ts";

/** Mean keeping rates; below .125 layer 0 of models/tiny alone costs too much. */
const RATES = [.4, .27, .17, .15];

/** Questions that FitPrune's attention is averaged over. */
const STATISTICS_SAMPLES = 128;

/** Prints a table for each budget. */
export async function compareBudgets(lab: Lab): Promise<void> {
  const { setup } = lab;
  const { loaded, options, calibration, onCalibration } = setup;
  const { schedule: gSearch } = await lab.gSearch();
  const attention = await attentionShares(loaded.model, {
    images: calibration.images,
    samples: calibration.samples.slice(0, STATISTICS_SAMPLES),
  });
  printText(
    `Each method at the same mean keeping rate: its accuracy on ${setup.heldout.samples.length} held-out questions, its difference from P-Sigmoid in points with the paired 95 % interval (below 0: P-Sigmoid is better), the decoder's prefill FLOPs and its KV cache, and the measured time of a prefill and of a decoded token.`,
    '"Refined freely" moves tokens between single layers, from P-Sigmoid\'s schedule on.',
    `The searches see ${calibration.samples.length} calibration questions; P-Sigmoid tries ${options.evaluations} schedules, and the refinement as many.`,
  );
  for (const rate of RATES) {
    const budget: Budget = { kind: "rate", limit: rate };
    const found = await lab.pSigmoid(rate);
    const { schedule: refined } = await finish(
      refine(onCalibration.evaluateAnew, {
        ...{ start: found, budget, firstLayer: 1 },
        evaluations: options.evaluations,
      }),
    );
    const choice = { kind: "rate", share: rate } as const;
    const { runs, unmet } = await compareAtBudget(setup, choice, {
      ...{ budget, found, refined, gSearch, attention },
    });
    console.log(`### Mean keeping rate ${rate}\n`);
    printTable(budgetRows(runs));
    if (unmet.length > 0) printText(`Cannot meet it: ${unmetText(unmet)}.`);
    const [, own] = scheduleCells(found);
    const [, free] = scheduleCells(refined);
    printText(`P-Sigmoid keeps ${own}; refined ${free}.`);
  }
}
