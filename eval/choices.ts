/**
 * Finds the choice that an answer in words names, as in the benchmarks' own
 * evaluations.
 *
 * This module is browser compatible.
 */

import { lengthOf, SPACE, split } from "./python_text.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The letters of the choices that are not empty. */
function lettersOf(choices: readonly string[]): string[] {
  return [...LETTERS].filter((_, i) => choices[i]);
}

/** Marks that are replaced by spaces. */
const MARKS = /[.()[\],:;!*#{}]/g;

/** A letter counts as the answer only among so many last words. */
const LAST_WORDS = 4;

/** "The correct answer is **B**", in any case. */
const STATED = new RegExp(`answer${SPACE}+is${SPACE}+\\**([A-D])`, "iu");

/**
 * The choice that an answer to MMBench or AI2D names: the rule of VLMEvalKit
 * without a judge model (`can_infer` of vlmeval/utils/matching_util.py). We ask
 * questions with choices of our own layout by the same rule.
 *
 * 1. Marks become spaces. If exactly one choice's letter occurs as a word, in upper
 *    case, and it is among the last four words, it is the answer.
 * 2. If there is no such letter but the word Z, no choice is named.
 * 3. "answer is B" names a choice from A to D; the letter may have either case.
 * 4. If the text of exactly one choice occurs in the answer, and the answer is at
 *    most twice as long as all choices together, it is that choice.
 *
 * So "a fish" does not name A, but "The answer is a fish" does, as in VLMEvalKit.
 * VLMEvalKit also recognises sentences with which served models refuse to answer;
 * this function does not.
 *
 * @param choices Their texts, A first; an empty one is no choice.
 * @returns The letter in upper case, or null if no choice is named.
 */
export function choiceLetter(
  answer: string,
  choices: readonly string[],
): string | null {
  const letters = lettersOf(choices);
  const words = split(answer.replaceAll(MARKS, " "));
  const named = letters.filter((letter) => words.includes(letter));
  if (
    named.length === 1 &&
    words.indexOf(named[0]) >= words.length - LAST_WORDS
  ) {
    return named[0];
  }
  if (named.length === 0 && words.includes("Z")) return null;
  const stated = STATED.exec(answer)?.[1].toUpperCase();
  if (stated !== undefined && letters.includes(stated)) return stated;
  return choiceInWords(answer, choices);
}

/** Rule 4 of `choiceLetter`. */
function choiceInWords(
  answer: string,
  choices: readonly string[],
): string | null {
  const text = answer.toLowerCase();
  const longest = 2 * choices.reduce((sum, c) => sum + lengthOf(c), 0);
  if (lengthOf(text) > longest) return null;
  const found = lettersOf(choices).filter((letter) =>
    text.includes(choices[LETTERS.indexOf(letter)].toLowerCase())
  );
  return found.length === 1 ? found[0] : null;
}

/**
 * The choice that an answer to ScienceQA names: the rule of LLaVA's script
 * (llava/eval/eval_science_qa.py). The answer is a letter alone ("B"), or begins
 * with a letter, a full stop and a space ("B. the cat"), or contains "The answer is
 * B." exactly once, where any character may replace the last full stop. Letters
 * are A to E.
 *
 * @param answer Without white space around it.
 * @param choices Their texts, A first.
 * @returns The letter, or null if no choice is named.
 */
export function scienceQaLetter(
  answer: string,
  choices: readonly string[],
): string | null {
  const stated = [...answer.matchAll(/The answer is ([A-Z])[^\n]/g)];
  const letter = /^[A-E](?=\. |$)/.exec(answer)?.[0] ??
    (stated.length === 1 ? stated[0][1] : undefined);
  return letter !== undefined &&
      LETTERS.slice(0, Math.min(5, choices.length)).includes(letter)
    ? letter
    : null;
}
