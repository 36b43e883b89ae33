/**
 * Accuracy of a model on the embedded task, per kind of question; the table of
 * models/tiny/README.md.
 *
 *     deno task check:model            # 2,000 held-out questions, a minute or two
 *     deno task check:model 500
 */
// deno-lint-ignore-file no-console

import { loadModel } from "../cli/load.ts";
import { loadQuestions } from "../cli/questions.ts";
import { createStatusLine } from "../cli/progress.ts";
import { printKinds, printTau } from "../cli/show.ts";
import { fullSchedule } from "../core/mod.ts";
import { accuracy, createEvaluatorPool } from "../eval/mod.ts";
import { formatPercent } from "../report/mod.ts";
import { wilsonInterval } from "../search/mod.ts";

const count = Number(Deno.args[0] ?? 2000);
const loaded = await loadModel(null);
const heldout = await loadQuestions(loaded, { count }, "heldout", 0);
using pool = createEvaluatorPool(
  loaded.source,
  navigator.hardwareConcurrency,
);
const status = createStatusLine();
const { visionTokens, decoder: { layers } } = loaded.model.config;
const evaluate = pool.createEvaluator(heldout, {
  cache: false,
  onProgress: (done, total) => status.show(`${done} of ${total}`),
});
const evaluation = await evaluate(fullSchedule(layers, visionTokens));
status.clear();
printKinds(heldout, evaluation);
const correct = evaluation.samples.filter((sample) => sample.correct).length;
const { low, high } = wilsonInterval(correct, count);
console.log(
  `accuracy ${formatPercent(accuracy(evaluation.samples), 2)}, 95 % interval ${
    formatPercent(low, 2)
  } to ${formatPercent(high, 2)}`,
);
await printTau(loaded, heldout, new AbortController().signal);
