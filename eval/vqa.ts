/**
 * VQA accuracy, as in VQAEval of the VQA dataset's own evaluation (GT-Vision-Lab):
 * answers are normalised and compared with those of ten people.
 *
 * This module is browser compatible.
 */

import { split, strip } from "./python_text.ts";

/** Removed, or replaced by a space between letters. */
const PUNCTUATION = [...';/[]"{}()=+\\_-><@`,?!'];

const NUMBERS: Readonly<Record<string, string>> = {
  "none": "0",
  "zero": "0",
  "one": "1",
  "two": "2",
  "three": "3",
  "four": "4",
  "five": "5",
  "six": "6",
  "seven": "7",
  "eight": "8",
  "nine": "9",
  "ten": "10",
};

const ARTICLES: readonly string[] = ["a", "an", "the"];

/** Contractions that people often write with one apostrophe missing. */
const CONTRACTIONS: readonly string[] = [
  ..."ain't aren't can't could've couldn't couldn't've didn't doesn't don't"
    .split(" "),
  ..."hadn't hadn't've hasn't haven't he'd he'd've he's how'd how'll how's"
    .split(" "),
  ..."isn't it'd it'd've it'll ma'am mightn't mightn't've might've".split(" "),
  ..."mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've"
    .split(" "),
  ..."should've shouldn't shouldn't've somebody'd've somebody'll somebody's"
    .split(" "),
  ..."someone'd someone'd've someone'll someone's something'd something'd've"
    .split(" "),
  ..."something'll that's there'd there'd've there're there's they'd they'd've"
    .split(" "),
  ..."they'll they're they've 'twas wasn't we'd've we've weren't what'll"
    .split(" "),
  ..."what're what's what've when's where'd where's where've who'd who'd've"
    .split(" "),
  ..."who'll who's who've why'll why're why's won't would've wouldn't"
    .split(" "),
  ..."wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
    .split(" "),
];

const CORRECTED: ReadonlyMap<string, string> = new Map([
  ...CONTRACTIONS.flatMap((word) => withoutOne(word).map((w) => [w, word])),
  // As in the original.
  ["somebody'd", "somebodyd"],
] as [string, string][]);

/** A word with each of its apostrophes left out in turn. */
function withoutOne(word: string): string[] {
  return [...word.matchAll(/'/g)]
    .map(({ index }) => word.slice(0, index) + word.slice(index + 1));
}

/**
 * Normalises an answer for comparison: removes punctuation and articles, writes
 * numbers up to ten in digits, and restores apostrophes.
 *
 * @example
 * ```ts
 * import { normalizeVqaAnswer } from "@tokensieve/tokensieve/eval";
 *
 * console.log(normalizeVqaAnswer("The two dogs, dont they?")); // "2 dogs don't they"
 * ```
 */
export function normalizeVqaAnswer(answer: string): string {
  const text = removePunctuation(strip(answer.replaceAll(/[\n\t]/g, " ")));
  return split(text.toLowerCase())
    .map((word) => Object.hasOwn(NUMBERS, word) ? NUMBERS[word] : word)
    .filter((word) => !ARTICLES.includes(word))
    .map((word) => CORRECTED.get(word) ?? word)
    .join(" ");
}

function removePunctuation(text: string): string {
  const joins = /\p{Nd},\p{Nd}/u.test(text);
  let out = text;
  for (const mark of PUNCTUATION) {
    const apart = text.includes(`${mark} `) || text.includes(` ${mark}`);
    out = out.replaceAll(mark, joins || apart ? "" : " ");
  }
  // Full stops, but not decimal points. The original passes a flag (32) as the
  // count of replacements.
  let left = 32;
  return out.replaceAll(/\.(?!\p{Nd})/gu, (stop) => left-- > 0 ? "" : stop);
}

/**
 * VQA accuracy of one answer: the mean, over all persons, of min(1, equal answers
 * of the other persons / 3). With ten persons, 1, 2, 3 and 4 equal answers give
 * 0.3, 0.6, 0.9 and 1. All answers are normalised first. VQAEval normalises only
 * where people disagree, and relies on answers that were normalised before.
 *
 * @param answer the model's
 * @param references people's answers, usually ten; a single one must be equal
 * @returns in [0, 1]
 */
export function vqaAccuracy(
  answer: string,
  references: readonly string[],
): number {
  const said = normalizeVqaAnswer(answer);
  const same = references.map((text) => normalizeVqaAnswer(text) === said);
  if (same.length === 1) return same[0] ? 1 : 0;
  const matches = same.filter((equal) => equal).length;
  const scores = same.map((equal) =>
    Math.min(1, (equal ? matches - 1 : matches) / 3)
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
