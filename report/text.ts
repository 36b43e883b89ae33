/**
 * Text in a terminal: its width in columns, and how to cut, pad and wrap it.
 *
 * This module is browser compatible.
 */

/**
 * Characters that take two columns, as part of a character class. They are
 * pictures, and the characters that Unicode's EastAsianWidth.txt calls wide or
 * full-width.
 */
const WIDE_SET =
  "\\u1100-\\u115f\\u2329\\u232a\\u2e80-\\u303e\\u3041-\\u3247\\u3250-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6b\\uff01-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{1b2ff}\\u{1f200}-\\u{1f265}\\u{20000}-\\u{3fffd}\\p{Emoji_Presentation}";
/**
 * Letters of flags. Two of them form a picture, and a single letter takes one
 * column. The letters are not subtracted within a character class, because Bun
 * refuses that.
 */
const FLAG_LETTER = "\\p{Regional_Indicator}";
const WIDE = new RegExp(`(?!${FLAG_LETTER})[${WIDE_SET}]`, "u");
/**
 * Characters that take no column: combining accents, joiners, control codes.
 */
const EMPTY = /[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u;
/**
 * A piece that is never broken: a run of spaces, a wide character, or a word.
 */
const PIECE = new RegExp(
  ` +|(?!${FLAG_LETTER})[${WIDE_SET}]\\p{M}*|(?:${FLAG_LETTER}|[^ ${WIDE_SET}])+`,
  "gu",
);

/**
 * Number of columns that a text takes in a terminal. An East Asian character
 * takes two.
 */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (EMPTY.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** Cuts a text to a number of columns. `end` marks that text is missing. */
export function clipText(
  text: string,
  columns: number,
  end: string = "",
): string {
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(end);
  let clipped = "";
  let width = 0;
  for (const character of text) {
    width += displayWidth(character);
    if (width > room) break;
    clipped += character;
  }
  return clipped + end;
}

/** Pads a text with spaces to a width. `side` is where the spaces go. */
export function padText(
  text: string,
  columns: number,
  side: "end" | "start",
): string {
  const spaces = " ".repeat(Math.max(0, columns - displayWidth(text)));
  return side === "end" ? text + spaces : spaces + text;
}

/**
 * Breaks long lines at spaces and beside East Asian characters. A continuation
 * line aligns with the text behind a label, such as "device       ". In an
 * indented line without a label it is indented by two more columns. A word that
 * is too long, such as a path, stays whole.
 */
export function wrapText(text: string, columns: number): string {
  return text.split("\n").map((line) =>
    wrapLine(line, columns, hangingOf(line))
  ).join("\n");
}

/** Breaks one line; continuation lines begin with `hanging` spaces. */
export function wrapLine(
  line: string,
  columns: number,
  hanging: number,
): string {
  if (displayWidth(line) <= columns) return line;
  const lines: string[] = [];
  let current = "";
  let isEmpty = true;
  for (const piece of line.match(PIECE)!) {
    const isSpace = piece.startsWith(" ");
    const width = displayWidth(current.trimEnd());
    const gap = displayWidth(current) - width;
    if (
      !isSpace && !isEmpty && width + gap + displayWidth(piece) > columns
    ) {
      lines.push(current.trimEnd());
      current = " ".repeat(hanging);
    }
    current += piece;
    if (!isSpace) isEmpty = false;
  }
  return [...lines, current.trimEnd()].join("\n");
}

/** Largest width of a label before the text of a line. */
const MAX_LABEL = 16;

function hangingOf(line: string): number {
  const [label] = /^ *\S+(?: \S+)* {2,}/.exec(line) ?? [""];
  if (label !== "" && label.length <= MAX_LABEL) return label.length;
  const indent = line.length - line.trimStart().length;
  return indent === 0 ? 0 : indent + 2;
}
