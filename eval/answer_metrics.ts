/**
 * Metrics of answers in words, each as in its benchmark's own evaluation. VQA
 * accuracy is in vqa.ts, letters of choices in choices.ts.
 *
 * This module is browser compatible.
 */

import { lengthOf, pythonFloat, split, strip } from "./python_text.ts";

/**
 * GQA: equal words, ignoring case and a final full stop, as LLaVA prepares
 * answers for GQA's eval.py.
 */
export function gqaCorrect(answer: string, reference: string): boolean {
  const clean = (text: string) => strip(text).replace(/\.+$/, "").toLowerCase();
  return clean(answer) === clean(reference);
}

/** An answer to a yes/no question, and the right one. */
export interface YesNoResult {
  /** The model's words. */
  readonly answer: string;
  /** The right answer. */
  readonly label: "yes" | "no";
}

/** POPE's scores, each in [0, 1]; 0 if the denominator is 0. */
export interface PopeScores {
  /** Share of right answers. */
  readonly accuracy: number;
  /** Precision of the answer "yes": the share of these answers that are right. */
  readonly precision: number;
  /** Recall of "yes": the share of "yes" questions that are answered "yes". */
  readonly recall: number;
  /** Harmonic mean of precision and recall. */
  readonly f1: number;
  /** Share answered "yes". */
  readonly yesRatio: number;
}

/**
 * An answer as yes or no, by the rule of POPE's evaluate.py: "no" if its first
 * sentence has the word no or not, else "yes".
 */
export function popeYesNo(answer: string): "yes" | "no" {
  const [sentence] = answer.split(".");
  const words = sentence.replaceAll(",", "").split(" ");
  return words.some((word) => ["No", "no", "not"].includes(word))
    ? "no"
    : "yes";
}

/** POPE's scores; "yes" is the positive class. */
export function popeScores(results: readonly YesNoResult[]): PopeScores {
  const said = results.map(({ answer }) => popeYesNo(answer));
  const count = (answer: string, label: string) =>
    results.filter((result, i) => said[i] === answer && result.label === label)
      .length;
  const truePositives = count("yes", "yes");
  const falsePositives = count("yes", "no");
  const falseNegatives = count("no", "yes");
  const share = (part: number, whole: number) => whole === 0 ? 0 : part / whole;
  return {
    accuracy: share(truePositives + count("no", "no"), results.length),
    precision: share(truePositives, truePositives + falsePositives),
    recall: share(truePositives, truePositives + falseNegatives),
    f1: share(
      2 * truePositives,
      2 * truePositives + falsePositives + falseNegatives,
    ),
    yesRatio: share(truePositives + falsePositives, results.length),
  };
}

/** An answer to one of MME's two questions about each image. */
export interface MmeResult extends YesNoResult {
  /** Which image. */
  readonly image: string;
}

/** MME's scores of one of its tasks. */
export interface MmeScores {
  /** Share of right answers. */
  readonly accuracy: number;
  /** Share of images with both answers right. */
  readonly accuracyPlus: number;
  /** 100 times the sum of both: at most 200. */
  readonly score: number;
}

/**
 * MME's scores, as in its eval_tool: an answer is read as the "yes" or "no" in its
 * first four characters.
 *
 * @throws {RangeError} an image does not have two answers
 */
export function mmeScores(results: readonly MmeResult[]): MmeScores {
  const byImage = new Map<string, boolean[]>();
  for (const { image, answer, label } of results) {
    const start = strip(answer).toLowerCase().slice(0, 4);
    const said = ["yes", "no"].find((word) => start.includes(word));
    byImage.set(image, [...byImage.get(image) ?? [], said === label]);
  }
  for (const [image, correct] of byImage) {
    if (correct.length !== 2) {
      throw new RangeError(
        `Cannot compute MME's scores as each image must have 2 answers: ${image} has ${correct.length}`,
      );
    }
  }
  const pairs = [...byImage.values()];
  const accuracy = pairs.flat().filter((correct) => correct).length /
    results.length;
  const accuracyPlus = pairs.filter((pair) => pair.every((correct) => correct))
    .length / pairs.length;
  return { accuracy, accuracyPlus, score: 100 * (accuracy + accuracyPlus) };
}

/**
 * ChartQA's relaxed accuracy (as in pix2struct's metrics.py): a number may be off
 * by 5 %; other answers must be equal, ignoring case. "12%" and "12 %" are 0.12.
 * Numbers are parsed as in Python: "1e3", "1_000" and "inf" are numbers, "1,000"
 * is not. A reference of 0, NaN or infinity has no tolerance. White space around
 * the answer is ignored (as in Qwen-VL's evaluate_vqa.py).
 */
export function relaxedCorrect(answer: string, reference: string): boolean {
  const text = strip(answer);
  const said = parseNumber(text);
  const right = parseNumber(reference);
  if (said !== null && right !== null && right !== 0) {
    return Math.abs(said - right) / Math.abs(right) <= 0.05;
  }
  return text.toLowerCase() === reference.toLowerCase();
}

/** A number, perhaps in percent. */
function parseNumber(text: string): number | null {
  if (!text.endsWith("%")) return pythonFloat(text);
  const percent = pythonFloat(text.replace(/%+$/, ""));
  return percent === null ? null : percent / 100;
}

/**
 * DocVQA's score of one answer; ANLS is its mean. The score is 1 − edit distance /
 * length of the longer text, for the nearest reference, and 0 if that is below
 * one half (the evaluation of the Robust Reading Competition). Case and runs of
 * spaces are ignored. Texts are compared in lower case, but lengths are those of
 * the texts in upper case, spaces included, in which "ß" and "ﬁ" have two letters.
 *
 * @param references at least one
 * @returns in [0, 1]
 */
export function anls(answer: string, references: readonly string[]): number {
  const score = Math.max(...references.map((reference) => {
    const longer = Math.max(
      lengthOf(answer.toUpperCase()),
      lengthOf(reference.toUpperCase()),
    );
    if (longer === 0) return 1;
    const edits = editDistance(toComparable(answer), toComparable(reference));
    return 1 - edits / longer;
  }));
  return score < 0.5 ? 0 : score;
}

/** Characters in lower case, single spaces between words. */
function toComparable(text: string): string[] {
  return [...split(text.toLowerCase()).join(" ")];
}

/** Levenshtein distance: the fewest insertions, deletions and substitutions. */
function editDistance(a: readonly string[], b: readonly string[]): number {
  // row[j]: distance between a's first i characters and b's first j.
  let row = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        row[j] + 1,
        next[j - 1] + 1,
        row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length];
}
