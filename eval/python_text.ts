/**
 * Python's string functions. The benchmarks' evaluators are Python programs, and
 * JavaScript defines white space differently.
 *
 * This module is browser compatible.
 */

/** A regular expression's class of the characters of Python's `str.isspace()`. */
export const SPACE =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const GAPS = new RegExp(`${SPACE}+`);

/** `text.strip()` */
export function strip(text: string): string {
  return text.replaceAll(ENDS, "");
}

/** `text.split()` */
export function split(text: string): string[] {
  return text.split(GAPS).filter((word) => word !== "");
}

/** `len(text)`: code points, not UTF-16 units. */
export function lengthOf(text: string): number {
  return [...text].length;
}

const DIGITS = "[0-9](?:_?[0-9])*";
const NUMBER = new RegExp(
  `^[+-]?(?:${DIGITS}\\.?(?:${DIGITS})?|\\.${DIGITS})(?:e[+-]?${DIGITS})?$`,
  "i",
);
const SPECIAL = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i;

/** `float(text)`, or null if that fails. Only ASCII digits are accepted. */
export function pythonFloat(text: string): number | null {
  const number = strip(text);
  if (NUMBER.test(number)) return Number(number.replaceAll("_", ""));
  const special = SPECIAL.exec(number);
  if (special === null) return null;
  if (special[2] === undefined) return NaN;
  return special[1] === "-" ? -Infinity : Infinity;
}
