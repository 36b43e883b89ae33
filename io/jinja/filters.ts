// Filters and tests of Jinja, as its filters.py and tests.py have them, with the
// tojson of transformers.

import { escapeHtml, inOrder, operate } from "./arithmetic.ts";
import { getItem, pairs } from "./attributes.ts";
import { toJson } from "./json.ts";
import { JinjaError, unsupported } from "./lexer.ts";
import {
  bind,
  capitalize,
  fixed,
  formatPercent,
  integerOf,
  isLower,
  isUpper,
  replace,
  splitLines,
  strip,
  textOf,
} from "./text.ts";
import {
  Callable,
  compare,
  contains,
  counted,
  Dict,
  equals,
  hash,
  isIterable,
  isNumber,
  isTrue,
  iterate,
  Lazy,
  lengthOf,
  Markup,
  type Named,
  numeric,
  PyObject,
  Range,
  step,
  str,
  Tuple,
  typeOf,
  Undefined,
  type Value,
} from "./values.ts";

type Bound = readonly (Value | undefined)[];
type Body = (value: Value, args: Bound) => Value;

/** Looks up "a.b.0" of each item of a list. */
function lookUp(
  path: Value | undefined,
  { ignoreCase = false, fallback }: {
    readonly ignoreCase?: boolean;
    readonly fallback?: Value | undefined;
  } = {},
): (item: Value) => Value {
  const parts: readonly Value[] = path === undefined || path === null
    ? []
    : typeof path === "string"
    ? path.split(".").map((part) => /^\d+$/.test(part) ? BigInt(part) : part)
    : [path];
  return (start) => {
    let item = start;
    for (const part of parts) {
      item = getItem(item, part);
      if (item instanceof Undefined && (fallback ?? null) !== null) {
        item = fallback!;
      }
    }
    return ignoreCase ? lowered(item) : item;
  };
}

function lowered(value: Value): Value {
  if (value instanceof Markup) throw unsupported("sorting markup");
  return typeof value === "string" ? value.toLowerCase() : value;
}

function truth(value: Value | undefined): boolean {
  return value !== undefined && isTrue(value);
}

/** Sorts as Python does: equal items keep their order, in reverse too. */
function sortBy(
  items: Iterable<Value>,
  key: (item: Value) => Value,
  reverse: boolean,
): Value[] {
  const keyed = [...items].map((item) => ({ item, key: key(item) }));
  const sign = reverse ? -1 : 1;
  keyed.sort((a, b) => {
    const order = compare(a.key, b.key);
    if (Number.isNaN(order)) throw unsupported("sorting what is no number");
    return sign * order;
  });
  return keyed.map(({ item }) => item);
}

/** `reversed(value)`. */
function reversed(value: Value): Value {
  if (typeof value === "string") return [...value].reverse().join("");
  return new Lazy([...iterate(value)].reverse());
}

function extreme(sign: 1 | -1): Body {
  return (value, [caseSensitive, attribute]) => {
    const key = lookUp(attribute, { ignoreCase: !truth(caseSensitive) });
    let best: { item: Value; key: Value } | undefined;
    for (const item of iterate(value)) {
      const other = { item, key: key(item) };
      if (best === undefined || sign * compare(other.key, best.key) > 0) {
        best = other;
      }
    }
    return best === undefined ? new Undefined("the list is empty") : best.item;
  };
}

function lengthFilter(value: Value): bigint {
  const length = lengthOf(value);
  if (length === null) {
    throw new JinjaError(`a value of type ${typeOf(value)} has no length`);
  }
  return BigInt(length);
}

function title(text: string): string {
  return text.split(/([-\s({[<]+)/).map((word) => {
    const [first] = word;
    if (first === undefined) return "";
    return first.toUpperCase() + word.slice(first.length).toLowerCase();
  }).join("");
}

function indent(value: Value, [width, first, blank]: Bound): Value {
  const by = typeof width === "string"
    ? width
    : " ".repeat(Math.max(0, integerOf(width, 4)));
  const lines = splitLines(`${textOf(value)}\n`);
  const later = lines.slice(1).map((line) =>
    line !== "" || truth(blank) ? by + line : line
  );
  return counted((truth(first) ? by : "") + [lines[0], ...later].join("\n"));
}

const INTEGER = /^[-+]?\d+(?:_\d+)*$/;
const FLOAT =
  /^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?$/i;
const INFINITE = /^[-+]?(?:inf(?:inity)?|nan)$/i;

/** `float(value)`; null where Python refuses it. */
function toFloat(value: Value): number | null {
  if (value instanceof Undefined) throw new JinjaError(value.message);
  if (isNumber(value)) return Number(value);
  if (value instanceof Markup || typeof value !== "string") return null;
  const text = strip(value, null);
  if (INFINITE.test(text)) throw unsupported(`the number "${text}"`);
  if (/[^\0-\x7f]/.test(text)) throw unsupported(`the number "${text}"`);
  return FLOAT.test(text) ? Number(text.replaceAll("_", "")) : null;
}

function toInteger(value: Value, [fallback = 0n, base]: Bound): Value {
  if (base !== undefined && !equals(base, 10n)) {
    throw unsupported("the filter int with another base");
  }
  if (typeof value === "string") {
    const text = strip(value, null);
    if (INTEGER.test(text)) {
      if (text.length > 4300) throw unsupported("an integer of 4300 digits");
      return BigInt(text.replace("+", "").replaceAll("_", ""));
    }
  } else if (isNumber(value) && typeof value !== "number") {
    return BigInt(value);
  }
  const float = toFloat(value);
  if (float === null || !Number.isFinite(float)) return fallback;
  return BigInt(Math.trunc(float));
}

function round(value: Value, [precision, method]: Bound): Value {
  const how = method === undefined ? "common" : method;
  const decimals = integerOf(precision, 0);
  if (value instanceof Undefined) throw new JinjaError(value.message);
  if (!isNumber(value)) throw new JinjaError("only numbers can be rounded");
  if (how === "common") {
    if (typeof value !== "number") {
      if (decimals < 0) throw unsupported("rounding an integer to tens");
      return numeric(value);
    }
    return Number(fixed(value, decimals));
  }
  if (how !== "floor" && how !== "ceil") {
    throw new JinjaError("round must be common, ceil or floor");
  }
  const scale = operate("**", 10n, BigInt(decimals));
  const scaled = Math[how](Number(operate("*", value, scale)));
  return operate("/", BigInt(scaled), scale);
}

function* unique(value: Value, [caseSensitive, attribute]: Bound) {
  const key = lookUp(attribute, { ignoreCase: !truth(caseSensitive) });
  const seen = new Set<string>();
  for (const item of iterate(value)) {
    const id = hash(key(item));
    if (!seen.has(id)) yield item;
    seen.add(id);
  }
}

function tojson(value: Value, args: Bound): Value {
  const [ascii, indent, separators, sorted] = args;
  const isLine = indent === undefined || indent === null;
  const given = separators ?? null;
  const pair = given === null
    ? [isLine ? ", " : ",", ": "]
    : [...iterate(given)].map(textOf);
  if (pair.length !== 2) throw new JinjaError("there are two separators");
  return toJson(value, {
    ascii: truth(ascii),
    indent: isLine
      ? null
      : typeof indent === "string"
      ? indent
      : " ".repeat(Math.max(0, integerOf(indent, 0))),
    separators: [pair[0], pair[1]],
    sorted: truth(sorted),
  });
}

/** Makes a filter of text; its value is converted to text first. */
const ofText =
  (body: (text: string, args: Bound) => Value): Body => (value, args) => {
    if (value instanceof Markup) throw unsupported("a filter of markup");
    return body(str(value), args);
  };

/** Filters by name: their parameters, and their functions. */
const FILTERS: Readonly<Record<string, readonly [string, Body]>> = {
  abs: ["", (value) => {
    if (value instanceof Undefined || !isNumber(value)) {
      throw new JinjaError(`a ${typeOf(value)} has no absolute value`);
    }
    const number = numeric(value);
    return number < 0 || Object.is(number, -0) ? -number : number;
  }],
  capitalize: ["", ofText(capitalize)],
  count: ["", lengthFilter],
  default: [
    "default_value? boolean?",
    (value, [fallback = "", boolean]) =>
      value instanceof Undefined || (truth(boolean) && !isTrue(value))
        ? fallback
        : value,
  ],
  dictsort: ["case_sensitive? by? reverse?", (value, args) => {
    const [caseSensitive, by = "key", reverse] = args;
    if (by !== "key" && by !== "value") {
      throw new JinjaError('a dict is sorted by "key" or "value"');
    }
    if (!(value instanceof Dict)) throw new JinjaError("dictsort takes a dict");
    const key = (item: Value): Value => {
      const part = (item as Tuple).items[by === "key" ? 0 : 1];
      return truth(caseSensitive) ? part : lowered(part);
    };
    return sortBy(pairs(value), key, truth(reverse));
  }],
  escape: [
    "",
    (value) =>
      value instanceof Markup ? value : new Markup(escapeHtml(str(value))),
  ],
  first: ["", (value) => {
    for (const item of iterate(value)) return item;
    return new Undefined("the list is empty");
  }],
  float: ["default?", (value, [fallback = 0]) => {
    const float = toFloat(value);
    return float === null ? fallback : float;
  }],
  indent: ["width? first? blank?", indent],
  int: ["default? base?", toInteger],
  items: ["", (value) => {
    if (value instanceof Undefined) return new Lazy([]);
    if (!(value instanceof Dict)) throw new JinjaError("items takes a dict");
    return new Lazy(pairs(value));
  }],
  join: ["d? attribute?", (value, [by, attribute]) => {
    const key = lookUp(attribute);
    const parts = [...iterate(value)].map((item) => str(key(item)));
    return counted(parts.join(by === undefined ? "" : str(by)));
  }],
  last: ["", (value) => {
    if (value instanceof Lazy) throw new JinjaError("a generator has no last");
    let last: Value = new Undefined("the list is empty");
    for (const item of iterate(value)) last = item;
    return last;
  }],
  length: ["", lengthFilter],
  list: ["", (value) => [...iterate(value)]],
  lower: ["", ofText((text) => text.toLowerCase())],
  max: ["case_sensitive? attribute?", extreme(1)],
  min: ["case_sensitive? attribute?", extreme(-1)],
  replace: ["old new count?", (value, [old, by, count]) =>
    replace(
      str(value),
      str(old!),
      str(by!),
      count === null ? -1 : integerOf(count, -1),
    )],
  reverse: ["", (value) => {
    if (value instanceof Markup) throw unsupported("a filter of markup");
    return reversed(value);
  }],
  round: ["precision? method?", round],
  safe: ["", (value) => new Markup(str(value))],
  sort: ["reverse? case_sensitive? attribute?", (value, args) => {
    const [reverse, caseSensitive, attribute] = args;
    const paths = typeof attribute === "string"
      ? attribute.split(",")
      : [attribute];
    const ignoreCase = !truth(caseSensitive);
    const keys = paths.map((path) => lookUp(path, { ignoreCase }));
    return sortBy(
      iterate(value),
      (item) => keys.map((key) => key(item)),
      truth(reverse),
    );
  }],
  string: ["", (value) => value instanceof Markup ? value : str(value)],
  sum: ["attribute? start?", (value, [attribute, start = 0n]) => {
    const key = lookUp(attribute);
    if (typeof start === "string") throw new JinjaError("texts have no sum");
    let sum: Value = start;
    for (const item of iterate(value)) sum = operate("+", sum, key(item));
    return sum;
  }],
  title: ["", ofText(title)],
  tojson: ["ensure_ascii? indent? separators? sort_keys?", tojson],
  trim: ["chars?", ofText((text, [letters]) => strip(text, letters))],
  unique: [
    "case_sensitive? attribute?",
    (value, args) => new Lazy(unique(value, args)),
  ],
  upper: ["", ofText((text) => text.toUpperCase())],
};

const ALIASES: Readonly<Record<string, string>> = { d: "default", e: "escape" };

/** Filters that call others, or take any arguments. */
const SPECIAL: Readonly<
  Record<string, (value: Value, args: readonly Value[], named: Named) => Value>
> = {
  format(value, args, named) {
    if (value instanceof Markup) throw unsupported("a filter of markup");
    if (args.length > 0 && named.size > 0) {
      throw new JinjaError("format takes arguments of one kind");
    }
    return formatPercent(
      str(value),
      named.size > 0 ? new Dict(named) : new Tuple(args),
    );
  },
  map(value, args, named) {
    if (args.length > 0) {
      const [name, ...rest] = args;
      return mapped(value, (item) => filter(textOf(name), item, rest, named));
    }
    const [attribute, fallback] = bind(
      "map",
      "attribute default?",
      args,
      named,
    );
    return mapped(value, lookUp(attribute, { fallback }));
  },
  select: (value, args, named) => chosen(value, args, named, true, false),
  reject: (value, args, named) => chosen(value, args, named, false, false),
  selectattr: (value, args, named) => chosen(value, args, named, true, true),
  rejectattr: (value, args, named) => chosen(value, args, named, false, true),
};

function mapped(value: Value, body: (item: Value) => Value): Lazy {
  return new Lazy((function* () {
    if (!isTrue(value)) return;
    for (const item of iterate(value)) yield body(item);
  })());
}

function chosen(
  value: Value,
  args: readonly Value[],
  named: Named,
  wanted: boolean,
  ofAttribute: boolean,
): Lazy {
  const rest = ofAttribute ? args.slice(1) : args;
  return new Lazy((function* () {
    if (!isTrue(value)) return;
    if (ofAttribute && args.length === 0) {
      throw new JinjaError("selectattr and rejectattr take an attribute");
    }
    const key = lookUp(ofAttribute ? args[0] : undefined);
    for (const item of iterate(value)) {
      const is = rest.length === 0
        ? isTrue(key(item))
        : test(textOf(rest[0]), key(item), rest.slice(1), named);
      if (is === wanted) yield item;
    }
  })());
}

/** Filters of Jinja that this interpreter lacks. */
const REFUSED_FILTERS =
  ("attr batch center filesizeformat forceescape groupby pprint random slice " +
    "striptags truncate urlencode urlize wordcount wordwrap xmlattr").split(
      " ",
    );

/** Whether Jinja has such a filter. */
function hasFilter(name: string): boolean {
  return Object.hasOwn(FILTERS, name) || Object.hasOwn(ALIASES, name) ||
    Object.hasOwn(SPECIAL, name) || REFUSED_FILTERS.includes(name);
}

/** `value | name(…)`. */
export function filter(
  name: string,
  value: Value,
  args: readonly Value[],
  named: Named,
): Value {
  step();
  if (REFUSED_FILTERS.includes(name)) {
    throw unsupported(`the filter "${name}"`);
  }
  checkName("filter", name);
  if (Object.hasOwn(SPECIAL, name)) return SPECIAL[name](value, args, named);
  const [signature, body] = FILTERS[ALIASES[name] ?? name];
  return body(value, bind(`the filter ${name}`, signature, args, named));
}

type TestBody = (value: Value, args: Bound) => boolean;

function remainder(value: Value, by: Value, rest: bigint): boolean {
  return equals(operate("%", value, by), rest);
}

function ordered(is: (order: number) => boolean): readonly [string, TestBody] {
  return ["/ other", (value, [other]) => inOrder(value, other!, is)];
}

const isText = (value: Value): boolean =>
  typeof value === "string" || value instanceof Markup;
const EQUAL = [
  "/ other",
  (value: Value, [other]: Bound) => equals(value, other!),
] as const;
const UNEQUAL = [
  "/ other",
  (value: Value, [other]: Bound) => !equals(value, other!),
] as const;
const ABOVE = ordered((order) => order > 0);
const BELOW = ordered((order) => order < 0);
const AT_LEAST = ordered((order) => order >= 0);
const AT_MOST = ordered((order) => order <= 0);

const TESTS: Readonly<Record<string, readonly [string, TestBody]>> = {
  boolean: ["", (value) => typeof value === "boolean"],
  callable: [
    "",
    (value) =>
      value instanceof Callable || value instanceof Undefined ||
      (value instanceof PyObject && value.attribute("__call__") !== undefined),
  ],
  defined: ["", (value) => !(value instanceof Undefined)],
  divisibleby: ["num", (value, [by]) => remainder(value, by!, 0n)],
  escaped: ["", (value) => value instanceof Markup],
  even: ["", (value) => remainder(value, 2n, 0n)],
  false: ["", (value) => value === false],
  filter: ["", (value) => hasFilter(textOf(value))],
  float: ["", (value) => typeof value === "number"],
  in: ["seq", (value, [container]) => contains(container!, value)],
  integer: ["", (value) => typeof value === "bigint"],
  iterable: ["", isIterable],
  lower: ["", (value) => isLower(str(value))],
  mapping: ["", (value) => value instanceof Dict],
  none: ["", (value) => value === null],
  number: ["", isNumber],
  odd: ["", (value) => remainder(value, 2n, 1n)],
  sameas: ["other", (value, [other]) => {
    const isPlain = (one: Value) => one === null || typeof one === "boolean";
    if (isPlain(value) || isPlain(other!)) return value === other;
    if (typeof value === "object" && typeof other === "object") {
      return value === other;
    }
    throw unsupported("the test sameas of numbers and texts");
  }],
  sequence: [
    "",
    (value) =>
      isText(value) || Array.isArray(value) || value instanceof Undefined ||
      value instanceof Tuple || value instanceof Dict || value instanceof Range,
  ],
  string: ["", isText],
  test: ["", (value) => Object.hasOwn(TESTS, textOf(value))],
  true: ["", (value) => value === true],
  undefined: ["", (value) => value instanceof Undefined],
  upper: ["", (value) => isUpper(str(value))],
  "==": EQUAL,
  eq: EQUAL,
  equalto: EQUAL,
  "!=": UNEQUAL,
  ne: UNEQUAL,
  ">": ABOVE,
  gt: ABOVE,
  greaterthan: ABOVE,
  ">=": AT_LEAST,
  ge: AT_LEAST,
  "<": BELOW,
  lt: BELOW,
  lessthan: BELOW,
  "<=": AT_MOST,
  le: AT_MOST,
};

/** `value is name(…)`. */
export function test(
  name: string,
  value: Value,
  args: readonly Value[],
  named: Named,
): boolean {
  step();
  checkName("test", name);
  const [signature, body] = TESTS[name];
  return body(value, bind(`the test ${name}`, signature, args, named));
}

/** @throws {JinjaError} If there is no filter, or test, of that name. */
export function checkName(kind: "filter" | "test", name: string): void {
  const has = kind === "filter" ? hasFilter(name) : Object.hasOwn(TESTS, name);
  if (!has) throw unsupported(`the ${kind} "${name}"`);
}
