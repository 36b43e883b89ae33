// How questions of benchmarks are put to a model: as LLaVA-1.5's evaluation does.

import type { DatasetFormat, Question } from "./dataset.ts";
import { LETTERS } from "./dataset_rows.ts";

const SHORT = "Answer the question using a single word or phrase.";
const LETTER =
  "Answer with the option's letter from the given choices directly.";

/**
 * What to ask a model: the question, its choices with letters, and how short
 * the answer shall be. Open questions of our own layout are asked as they are.
 *
 * @example
 * ```ts
 * import { questionText } from "@tokensieve/tokensieve/io";
 *
 * const question = { id: "1", image: null, question: "Red?", answers: ["no"] };
 * console.log(questionText(question, "gqa").split("\n")[0]); // "Red?"
 * ```
 *
 * @param question From a dataset.
 * @param format The dataset's.
 * @returns The text, without an image's marker.
 */
export function questionText(
  { question, choices }: Question,
  format: DatasetFormat,
): string {
  if (choices === undefined) {
    return format === "jsonl" ? question : `${question}\n${SHORT}`;
  }
  const lines = choices.flatMap((choice, i) =>
    choice === "" ? [] : [`${LETTERS[i]}. ${choice}`]
  );
  return [question, ...lines, LETTER].join("\n");
}
