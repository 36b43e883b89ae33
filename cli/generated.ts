/**
 * The table of generated answers.
 */

import { accuracy } from "../eval/mod.ts";
import { formatPercent, formatTable } from "../report/mod.ts";
import type { Evaluation } from "../search/mod.ts";
import type { LoadedModel } from "../study/load.ts";
import { type MetricName, METRICS, scoreGenerated } from "../study/metrics.ts";
import type { QuestionSet } from "../study/questions.ts";
import type { Output } from "./output.ts";

/** A run on the held-out questions, with its name. */
interface NamedRun {
  readonly name: string;
  readonly evaluation: Evaluation;
}

/** Prints the table of all runs: generated answers beside forced ones. */
export function printGenerated(
  { say, draw, columns }: Output,
  { metric, runs, heldout: { dataset }, loaded: { tokenizer } }: {
    readonly metric: MetricName;
    readonly runs: readonly NamedRun[];
    readonly heldout: QuestionSet;
    readonly loaded: LoadedModel;
  },
): void {
  const format = (score: number): string =>
    metric === "mme" ? score.toFixed(1) : formatPercent(score);
  say("\nThe same runs by the answers that they generate:");
  draw(formatTable([
    ["", METRICS[metric].title, "accuracy"],
    ...runs.map(({ name, evaluation }) => [
      name,
      format(
        scoreGenerated(metric, evaluation, { dataset: dataset!, tokenizer }),
      ),
      formatPercent(accuracy(evaluation.samples)),
    ]),
  ], { columns }));
  say(
    "accuracy: every token of the right answer is the likeliest after those before it",
  );
}
