// Python's methods of str, and its two kinds of formatting.

import { JinjaError, SPACE, unsupported } from "./lexer.ts";
import {
  counted,
  Dict,
  isNumber,
  iterate,
  type Named,
  numeric,
  Range,
  repr,
  str,
  Tuple,
  typeOf,
  Undefined,
  type Value,
} from "./values.ts";

/**
 * Arguments in the order of parameters.
 *
 * @param signature Names of parameters. "?" follows an optional one; those before
 *   "/" are positional only.
 */
export function bind(
  name: string,
  signature: string,
  args: readonly Value[],
  named: Named,
): (Value | undefined)[] {
  const words = signature.split(" ").filter((word) => word !== "");
  const slash = words.indexOf("/");
  const params = words.filter((word) => word !== "/");
  const bound: (Value | undefined)[] = [...args];
  for (const [key, value] of named) {
    const at = params.findIndex((param, i) =>
      i >= slash && param.replace("?", "") === key
    );
    if (at < 0 || at < args.length) {
      throw new JinjaError(`${name} takes no argument "${key}"`);
    }
    bound[at] = value;
  }
  if (args.length > params.length) {
    throw new JinjaError(`${name} takes at most ${params.length} arguments`);
  }
  params.forEach((param, i) => {
    if (bound[i] === undefined && !param.endsWith("?")) {
      throw new JinjaError(`${name} needs its argument "${param}"`);
    }
  });
  return bound;
}

/** An argument that must be a text. */
export function textOf(value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new JinjaError(
    `a text is needed: one is of type ${typeOf(value ?? null)}`,
  );
}

/** An argument that must be an integer. */
export function integerOf(value: Value | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!isNumber(value) || typeof value === "number") {
    throw new JinjaError(`an integer is needed: one is of ${typeOf(value)}`);
  }
  return Number(value);
}

const CASED = /\p{Cased}/u;
/** Letters whose title case does not follow from their upper case. */
const TITLES = new Map(
  ["ǄǅǆǄ", "ǇǈǉǇ", "ǊǋǌǊ", "ǱǲǳǱ"].flatMap((forms) =>
    [...forms].map((form) => [form, [...forms][1]] as const)
  ),
);

/** The title case of a letter. */
function titleLetter(letter: string): string {
  const known = TITLES.get(letter);
  // Georgian has capitals, which titles do not use.
  if (known !== undefined || /[\u10d0-\u10ff]/.test(letter)) {
    return known ?? letter;
  }
  if (/[\u1f80-\u1fff]/.test(letter) && /.Ι$/u.test(letter.toUpperCase())) {
    throw unsupported(`the title case of "${letter}"`);
  }
  const [first, ...rest] = letter.toUpperCase();
  const tail = rest.join("");
  return first +
    (CASED.test(first) && first !== "ʼ" ? tail.toLowerCase() : tail);
}

function title(text: string): string {
  // A sigma is final or not by the letters around it.
  const lower = text.toLowerCase();
  let at = 0;
  let wasCased = false;
  let out = "";
  for (const letter of text) {
    const length = letter.toLowerCase().length;
    out += wasCased ? lower.slice(at, at + length) : titleLetter(letter);
    at += length;
    wasCased = CASED.test(letter);
  }
  return out;
}

/** The first letter in upper case, all others in lower case. */
export function capitalize(text: string): string {
  const [first] = text;
  if (first === undefined) return "";
  return titleLetter(first) +
    text.toLowerCase().slice(first.toLowerCase().length);
}

/**
 * Strips characters from the ends of a text, by default Python's whitespace.
 */
export function strip(
  text: string,
  letters: Value | undefined,
  ends: "both" | "left" | "right" = "both",
): string {
  let isOut: (letter: string) => boolean;
  if (letters === undefined || letters === null) {
    isOut = (letter) => BLANK.test(letter);
  } else {
    const out = new Set(textOf(letters));
    isOut = (letter) => out.has(letter);
  }
  const all = [...text];
  let [start, end] = [0, all.length];
  if (ends !== "right") { while (start < end && isOut(all[start])) start++; }
  if (ends !== "left") { while (end > start && isOut(all[end - 1])) end--; }
  return all.slice(start, end).join("");
}

const BLANK = new RegExp(`[${SPACE}]`);
const LINE_ENDS = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "g");

/** The lines of a text, at all line breaks of Python. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let at = 0;
  for (const { 0: end, index } of text.matchAll(LINE_END)) {
    lines.push(text.slice(at, keepEnds ? index + end.length : index));
    at = index + end.length;
  }
  return at < text.length ? [...lines, text.slice(at)] : lines;
}

/** `replace(old, new, count)`; a negative count replaces all. */
export function replace(
  text: string,
  old: string,
  by: string,
  count: number,
): string {
  const parts = old === "" ? ["", ...text] : text.split(old);
  if (old === "") parts.push("");
  const most = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  let out = parts[0];
  for (let i = 1; i < parts.length; i++) {
    out += (i <= most ? by : old) + parts[i];
  }
  return counted(out);
}

function split(text: string, args: Bound, fromRight: boolean): string[] {
  const [separator, limit] = args;
  const most = integerOf(limit, -1);
  const count = most < 0 ? Infinity : most;
  if (separator === undefined || separator === null) {
    return splitAtSpace(text, count, fromRight);
  }
  const by = textOf(separator);
  if (by === "") throw new JinjaError("a text cannot be split at nothing");
  const parts = text.split(by);
  const over = parts.length - 1 - count;
  if (over <= 0) return parts;
  return fromRight
    ? [parts.slice(0, over + 1).join(by), ...parts.slice(over + 1)]
    : [...parts.slice(0, count), parts.slice(count).join(by)];
}

function splitAtSpace(
  text: string,
  count: number,
  fromRight: boolean,
): string[] {
  if (fromRight) {
    const turn = (text: string): string => [...text].reverse().join("");
    return splitAtSpace(turn(text), count, false).map(turn).reverse();
  }
  const words: string[] = [];
  let rest = strip(text, null, "left");
  while (rest !== "") {
    const end = words.length < count ? rest.search(BLANK) : -1;
    words.push(end < 0 ? rest : rest.slice(0, end));
    rest = end < 0 ? "" : strip(rest.slice(end), null, "left");
  }
  return words;
}

function find(text: string, args: Bound, last: boolean): number {
  const [part, start, end] = args;
  if (start !== undefined || end !== undefined) {
    throw unsupported("finding between two places");
  }
  const at = last ? text.lastIndexOf(textOf(part)) : text.indexOf(textOf(part));
  return at < 0 ? at : [...text.slice(0, at)].length;
}

function found(text: string, args: Bound, last: boolean): bigint {
  const at = find(text, args, last);
  if (at < 0) throw new JinjaError("a text is not found in another");
  return BigInt(at);
}

function edge(text: string, [part, start, end]: Bound, atEnd: boolean) {
  if (start !== undefined || end !== undefined) {
    throw unsupported("comparing ends between two places");
  }
  const parts = part instanceof Tuple ? part.items : [part];
  return parts.some((one) =>
    atEnd ? text.endsWith(textOf(one)) : text.startsWith(textOf(one))
  );
}

function pad(text: string, [width, letter]: Bound, share: number): string {
  const fill = letter === undefined ? " " : textOf(letter);
  if ([...fill].length !== 1) {
    throw new JinjaError("a text is filled by one letter");
  }
  const size = integerOf(width, 0);
  const missing = Math.max(0, size - [...text].length);
  // CPython puts the odd space to the left if the width is odd.
  const left = share === 0.5
    ? Math.floor(missing / 2) + (missing & size & 1)
    : missing * share;
  return counted(fill.repeat(left) + text + fill.repeat(missing - left));
}

function partition(text: string, [by]: Bound, last: boolean): Tuple {
  const at = last ? text.lastIndexOf(textOf(by)) : text.indexOf(textOf(by));
  if (by === "") throw new JinjaError("a text cannot be split at nothing");
  if (at < 0) return new Tuple(last ? ["", "", text] : [text, "", ""]);
  const end = at + textOf(by).length;
  return new Tuple([text.slice(0, at), by!, text.slice(end)]);
}

function all(text: string, letter: RegExp): boolean {
  return text !== "" && [...text].every((one) => letter.test(one));
}

const SMALL = /\p{Lowercase}/u;
const LARGE = /\p{Uppercase}/u;
const TITLED = /\p{Lt}/u;
const DIGIT =
  /[\p{Nd}²³¹\u1369-\u1371\u19da⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]/u;

/** Whether a text has cased letters, all of them in upper case. */
export function isUpper(text: string): boolean {
  return LARGE.test(text) && !SMALL.test(text) && !TITLED.test(text);
}

/** Whether a text has cased letters, all of them in lower case. */
export function isLower(text: string): boolean {
  return SMALL.test(text) && !LARGE.test(text) && !TITLED.test(text);
}

function isTitle(text: string): boolean {
  let [wasCased, any] = [false, false];
  for (const letter of text) {
    const isLarge = LARGE.test(letter) || TITLED.test(letter);
    const isSmall = SMALL.test(letter);
    if ((isLarge && wasCased) || (isSmall && !wasCased)) return false;
    wasCased = isLarge || isSmall;
    any ||= wasCased;
  }
  return any;
}

type Bound = readonly (Value | undefined)[];

/** A method of str: its parameters and its function. */
type Method = readonly [
  signature: string,
  body: (text: string, args: Bound) => Value,
];

const METHODS: Readonly<Record<string, Method>> = {
  capitalize: ["", capitalize],
  center: ["/ width fill?", (text, args) => pad(text, args, 0.5)],
  count: ["/ part", (text, [part]) => {
    const by = textOf(part);
    return BigInt(by === "" ? [...text].length : text.split(by).length - 1) +
      (by === "" ? 1n : 0n);
  }],
  endswith: ["/ part start? end?", (text, args) => edge(text, args, true)],
  find: ["/ part start? end?", (text, args) => BigInt(find(text, args, false))],
  index: ["/ part start? end?", (text, args) => found(text, args, false)],
  isalnum: ["", (text) => all(text, /[\p{L}\p{N}]/u)],
  isalpha: ["", (text) => all(text, /\p{L}/u)],
  isascii: ["", (text) => !/[^\0-\x7f]/.test(text)],
  isdecimal: ["", (text) => all(text, /\p{Nd}/u)],
  isdigit: ["", (text) => all(text, DIGIT)],
  islower: ["", isLower],
  isspace: ["", (text) => all(text, BLANK)],
  istitle: ["", isTitle],
  isupper: ["", isUpper],
  join: [
    "/ items",
    (text, [items]) => counted([...iterate(items!)].map(textOf).join(text)),
  ],
  ljust: ["/ width fill?", (text, args) => pad(text, args, 0)],
  lower: ["", (text) => text.toLowerCase()],
  lstrip: ["/ letters?", (text, [letters]) => strip(text, letters, "left")],
  partition: ["/ by", (text, args) => partition(text, args, false)],
  removeprefix: [
    "/ part",
    (text, [part]) =>
      text.startsWith(textOf(part)) ? text.slice(textOf(part).length) : text,
  ],
  removesuffix: [
    "/ part",
    (text, [part]) =>
      text.endsWith(textOf(part))
        ? text.slice(0, text.length - textOf(part).length)
        : text,
  ],
  replace: [
    "/ old new count?",
    (text, [old, by, count]) =>
      replace(text, textOf(old), textOf(by), integerOf(count, -1)),
  ],
  rfind: ["/ part start? end?", (text, args) => BigInt(find(text, args, true))],
  rindex: ["/ part start? end?", (text, args) => found(text, args, true)],
  rjust: ["/ width fill?", (text, args) => pad(text, args, 1)],
  rpartition: ["/ by", (text, args) => partition(text, args, true)],
  rsplit: ["sep? maxsplit?", (text, args) => split(text, args, true)],
  rstrip: ["/ letters?", (text, [letters]) => strip(text, letters, "right")],
  split: ["sep? maxsplit?", (text, args) => split(text, args, false)],
  splitlines: [
    "keepends?",
    (text, [keep]) => splitLines(text, integerOf(keep, 0) !== 0),
  ],
  startswith: ["/ part start? end?", (text, args) => edge(text, args, false)],
  strip: ["/ letters?", (text, [letters]) => strip(text, letters)],
  title: ["", title],
  upper: ["", (text) => text.toUpperCase()],
  zfill: ["/ width", (text, [width]) => {
    const sign = /^[-+]/.test(text) ? text[0] : "";
    return sign +
      pad(text.slice(sign.length), [
        BigInt(integerOf(width, 0) - sign.length),
        "0",
      ], 1);
  }],
};

/** Methods of str that are refused. */
const REFUSED = new Set(
  "casefold encode expandtabs format_map isidentifier isnumeric isprintable maketrans swapcase translate"
    .split(" "),
);

/** Calls a method of str; undefined if Python has none of that name. */
export function textMethod(
  text: string,
  name: string,
): ((args: readonly Value[], named: Named) => Value) | undefined {
  if (name === "format") {
    return (args, named) => formatBraces(text, args, named);
  }
  if (REFUSED.has(name)) {
    throw unsupported(`the method "${name}" of texts`);
  }
  if (!Object.hasOwn(METHODS, name)) return undefined;
  const [signature, body] = METHODS[name];
  return (args, named) => body(text, bind(`"${name}"`, signature, args, named));
}

/** `text.format(…)`, of plain fields. */
function formatBraces(text: string, args: readonly Value[], named: Named) {
  let next = 0;
  let counts: boolean | null = null;
  const out = text.replace(
    /\{\{|\}\}|\{([^{}]*)\}|[{}]/g,
    (whole: string, field: string | undefined) => {
      if (whole === "{{" || whole === "}}") return whole[0];
      if (field === undefined || !/^\w*$/.test(field)) {
        throw unsupported(`the field "${whole}" of format()`);
      }
      const isCount = field === "";
      if (isCount || /^\d+$/.test(field)) {
        if (counts === !isCount) {
          throw new JinjaError("format() has fields with and without numbers");
        }
        counts = isCount;
      }
      const value = isCount
        ? args[next++]
        : /^\d+$/.test(field)
        ? args[Number(field)]
        : named.get(field);
      if (value === undefined) {
        throw new JinjaError(`format() lacks the field "${whole}"`);
      }
      return str(value);
    },
  );
  return counted(out);
}

const CONVERSION =
  /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([^]?)/g;

/** `text % values`. */
export function formatPercent(text: string, values: Value): string {
  const list = values instanceof Tuple ? values.items : [values];
  let next = 0;
  const out = text.replace(
    CONVERSION,
    (whole, key, flags: string, width, precision, kind: string) => {
      if (kind === "%" && whole === "%%") return "%";
      if (width === "*" || precision === "*" || /[#]/.test(flags)) {
        throw unsupported(`the conversion "${whole}"`);
      }
      let value: Value | undefined;
      if (key !== undefined) {
        if (!(values instanceof Dict)) {
          throw new JinjaError(`"${whole}" needs a dict`);
        }
        value = values.get(key);
      } else value = list[next++];
      if (value === undefined) {
        throw new JinjaError(`"${whole}" has no value`);
      }
      const shown = convert(kind, value, flags, precision, whole);
      return padConverted(
        shown,
        flags,
        Number(width || 0),
        /[srf]/.test(kind) && !isNumberKind(kind),
      );
    },
  );
  const isTaken = next >= list.length || Array.isArray(values) ||
    values instanceof Dict || values instanceof Range ||
    values instanceof Undefined;
  if (!isTaken) throw new JinjaError('"%" has more values than conversions');
  return counted(out);
}

function isNumberKind(kind: string): boolean {
  return /[diuxXofF]/.test(kind);
}

function convert(
  kind: string,
  value: Value,
  flags: string,
  precision: string | undefined,
  whole: string,
): string {
  if (kind === "s" || kind === "r") {
    const text = kind === "s" ? str(value) : repr(value);
    return precision === undefined
      ? text
      : [...text].slice(0, Number(precision)).join("");
  }
  if (!isNumberKind(kind)) throw unsupported(`the conversion "${whole}"`);
  if (value instanceof Undefined) throw new JinjaError(value.message);
  if (!isNumber(value)) throw new JinjaError(`"${whole}" needs a number`);
  const number = numeric(value);
  let digits: string;
  if (/[fF]/.test(kind)) digits = fixed(Number(number), Number(precision ?? 6));
  else {
    if (precision !== undefined) throw unsupported(`the conversion "${whole}"`);
    const isWhole = typeof number === "bigint";
    if (!isWhole && (!/[diu]/.test(kind) || !Number.isFinite(number))) {
      throw new JinjaError(`"${whole}" needs an integer`);
    }
    const integer = isWhole ? number : BigInt(Math.trunc(number));
    const base = /x/i.test(kind) ? 16 : kind === "o" ? 8 : 10;
    const lower = integer.toString(base);
    digits = kind === "X" ? lower.toUpperCase() : lower;
  }
  if (digits.startsWith("-")) return digits;
  return (flags.includes("+") ? "+" : flags.includes(" ") ? " " : "") + digits;
}

function padConverted(
  text: string,
  flags: string,
  width: number,
  isText: boolean,
): string {
  const missing = Math.max(0, width - [...text].length);
  counted(" ".repeat(Math.min(missing, 10_000_001)));
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!flags.includes("0") || isText) return " ".repeat(missing) + text;
  const [, sign, digits] = /^([-+ ]?)([^]*)$/.exec(text)!;
  return sign + "0".repeat(missing) + digits;
}

/** A float with a number of decimals; ties of its exact value go to even. */
export function fixed(x: number, decimals: number): string {
  if (!Number.isFinite(x)) throw unsupported("formatting an infinite number");
  if (decimals > 100) throw unsupported("more than 100 decimals");
  let [mantissa, shift] = [Math.abs(x), 0];
  while (!Number.isInteger(mantissa)) {
    [mantissa, shift] = [mantissa * 2, shift + 1];
  }
  const scaled = BigInt(mantissa) * 10n ** BigInt(Math.max(decimals, 0));
  const unit = 2n ** BigInt(shift) * 10n ** BigInt(Math.max(-decimals, 0));
  let rounded = scaled / unit;
  const twice = (scaled % unit) * 2n;
  if (twice > unit || (twice === unit && rounded % 2n === 1n)) rounded++;
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (decimals <= 0) return sign + rounded * 10n ** BigInt(-decimals);
  const digits = String(rounded).padStart(decimals + 1, "0");
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
