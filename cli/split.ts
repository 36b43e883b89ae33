/**
 * One file of questions, cut in two: to search with, and to judge the result.
 */

import { createRandom } from "../core/mod.ts";
import type { Question } from "../io/mod.ts";

/** How many questions each part is to have, at most. */
export interface SplitOptions {
  /** To search with; at most half of all. */
  readonly calibration: number;
  /** To judge the result. */
  readonly heldout: number;
  /** Which of those that are not held out are searched with. */
  readonly seed: number;
}

/** Two parts of a file, about different images. */
export interface SplitQuestions {
  /** In a random order that the seed decides. */
  readonly calibration: readonly Question[];
  /** In a random order, always the same. */
  readonly heldout: readonly Question[];
}

/**
 * Splits questions by their images: a result that has seen an image is not
 * judged on it, and questions about the same image stay side by side. Questions
 * that are held out are the same for every seed, so that results compare.
 *
 * @throws {RangeError} a part would be empty
 */
export function splitQuestions(
  questions: readonly Question[],
  { calibration, heldout, seed }: SplitOptions,
): SplitQuestions {
  const searched = Math.min(calibration, Math.floor(questions.length / 2));
  const judged = Math.min(heldout, questions.length - searched);
  const heldoutPart = takeImages(questions, judged, 0);
  const images = new Set(heldoutPart.map(({ image }) => image));
  const rest = questions.filter(({ image }) => !images.has(image));
  const calibrationPart = takeImages(rest, searched, seed);
  if (heldoutPart.length === 0 || calibrationPart.length === 0) {
    throw new RangeError(
      `Cannot split ${questions.length} questions as those to search with and those to judge by must be about different images, at most ${searched} and ${judged} of them`,
    );
  }
  return { calibration: calibrationPart, heldout: heldoutPart };
}

/** All questions about some images, at most so many, in random order. */
function takeImages(
  questions: readonly Question[],
  most: number,
  seed: number,
): Question[] {
  const groups = [...Map.groupBy(questions, ({ image }) => image).values()];
  const taken: Question[] = [];
  for (const place of createRandom(seed).permutation(groups.length)) {
    if (taken.length + groups[place].length <= most) {
      taken.push(...groups[place]);
    }
  }
  return taken;
}
