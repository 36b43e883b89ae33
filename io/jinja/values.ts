// The values of templates, which are Python's: how they print, compare, iterate
// and add. Integers are bigints and floats are numbers, so that 1 and 1.0 print
// differently. Texts count code points. Lists are arrays. Features of Python that
// are missing here are refused by name.

import { JinjaError, unsupported } from "./lexer.ts";

/** A value of a template. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | PyObject;

/** A value of a type that JavaScript lacks. */
export abstract class PyObject {
  /** The name of its type in Python. */
  abstract readonly typeName: string;

  /** An attribute of it, if it has any. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }
}

/** A missing variable, item or attribute. */
export class Undefined extends PyObject {
  readonly typeName = "Undefined";
  /** The error of using it. */
  readonly message: string;

  constructor(message: string) {
    super();
    this.message = message;
  }
}

/** `(a, b)`. */
export class Tuple extends PyObject {
  readonly typeName = "tuple";
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
}

/** `{key: value}`, in the order of insertion. */
export class Dict extends PyObject {
  readonly typeName = "dict";
  readonly #entries = new Map<string, [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super();
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hash(key))?.[1];
  }

  set(key: Value, value: Value): void {
    const id = hash(key);
    // The first of equal keys stays: {1: "a", true: "b"} is {1: "b"}.
    this.#entries.set(id, [this.#entries.get(id)?.[0] ?? key, value]);
  }

  entries(): [key: Value, value: Value][] {
    return [...this.#entries.values()];
  }

  keys(): Value[] {
    return this.entries().map(([key]) => key);
  }
}

/** The result of `keys()`, `values()` and `items()`. */
export class View extends PyObject {
  readonly typeName: string;
  readonly items: readonly Value[];

  constructor(kind: "keys" | "values" | "items", items: readonly Value[]) {
    super();
    this.typeName = `dict_${kind}`;
    this.items = items;
  }
}

/** The most items that Jinja's sandbox lets a range have. */
const MAX_RANGE = 100_000;

/** `range(start, stop, step)`. */
export class Range extends PyObject {
  readonly typeName = "range";
  readonly items: readonly bigint[];
  /** How it prints. */
  readonly text: string;

  constructor(start: bigint, stop: bigint, step: bigint) {
    super();
    if (step === 0n) throw new JinjaError("a range must have a step");
    const span = step > 0n ? stop - start : start - stop;
    const size = step > 0n ? step : -step;
    const length = span <= 0n ? 0n : (span + size - 1n) / size;
    if (length > MAX_RANGE) {
      throw new JinjaError(`a range has more than ${MAX_RANGE} items`);
    }
    this.items = Array.from(
      { length: Number(length) },
      (_, i) => start + BigInt(i) * step,
    );
    this.text = `range(${start}, ${stop}${step === 1n ? "" : `, ${step}`})`;
  }
}

/** A generator or an iterator, which can be read once. */
export class Lazy extends PyObject {
  readonly typeName = "generator";
  readonly #next: Iterator<Value>;

  constructor(items: Iterable<Value>) {
    super();
    this.#next = items[Symbol.iterator]();
  }

  /** Its next item, or undefined at the end. */
  next(): Value | undefined {
    const { done, value } = this.#next.next();
    return done ? undefined : value;
  }
}

/** The result of the filters `safe` and `escape`. */
export class Markup extends PyObject {
  readonly typeName = "Markup";
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
  }
}

/** Arguments of a call by name. */
export type Named = ReadonlyMap<string, Value>;

/** A function, a method, or a macro. */
export class Callable extends PyObject {
  readonly typeName = "function";
  readonly call: (args: readonly Value[], named: Named) => Value;
  readonly #attributes: Readonly<Record<string, Value>>;

  constructor(
    call: (args: readonly Value[], named: Named) => Value,
    attributes: Readonly<Record<string, Value>> = {},
  ) {
    super();
    this.call = call;
    this.#attributes = attributes;
  }

  override attribute(name: string): Value | undefined {
    return Object.hasOwn(this.#attributes, name)
      ? this.#attributes[name]
      : undefined;
  }
}

/** `namespace(…)`, whose fields templates may set. */
export class Namespace extends PyObject {
  readonly typeName = "Namespace";
  readonly #fields: Dict;

  constructor(fields: Dict) {
    super();
    this.#fields = new Dict();
    for (const [name, value] of fields.entries()) this.set(name, value);
  }

  override attribute(name: string): Value | undefined {
    return this.#fields.get(name);
  }

  set(name: Value, value: Value): void {
    if (typeof name === "string" && name.startsWith("_")) {
      throw new JinjaError(`a namespace cannot have a field "${name}"`);
    }
    this.#fields.set(name, value);
  }
}

/** Limits of steps and characters, beyond the needs of any template. */
const MAX_STEPS = 10_000_000;

// Rendering is synchronous, so one count serves all templates.
let steps = 0;

/** Resets the count of steps. */
export function resetSteps(): void {
  steps = 0;
}

/** Counts steps; throws when a template takes too many. */
export function step(count: number = 1): void {
  steps += count;
  if (steps > MAX_STEPS) {
    throw unsupported(`a template of more than ${MAX_STEPS} steps`);
  }
}

/** Counts the length of a text. */
export function counted(text: string): string {
  step(text.length);
  return text;
}

/** The name of a value's type in Python. */
export function typeOf(value: Value): string {
  if (value === null) return "NoneType";
  if (value instanceof PyObject) return value.typeName;
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    case "string":
      return "str";
    default:
      return "list";
  }
}

/** The items of a sequence; null for other values. */
export function itemsOf(value: Value): readonly Value[] | null {
  if (Array.isArray(value)) return value;
  if (
    value instanceof Tuple || value instanceof View || value instanceof Range
  ) return value.items;
  return null;
}

/** Goes over the items of a value. */
export function* iterate(value: Value): Generator<Value, void, void> {
  if (value instanceof Lazy) {
    for (let item = value.next(); item !== undefined; item = value.next()) {
      step();
      yield item;
    }
    return;
  }
  for (const item of iterable(value)) {
    step();
    yield item;
  }
}

function iterable(value: Value): Iterable<Value> {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return [];
  if (value instanceof Dict) return value.keys();
  if (value instanceof Markup) throw unsupported("iterating over markup");
  const items = itemsOf(value);
  if (items === null) {
    throw new JinjaError(`a value of type ${typeOf(value)} has no items`);
  }
  return items;
}

/** Whether a value can be iterated over. */
export function isIterable(value: Value): boolean {
  return typeof value === "string" || itemsOf(value) !== null ||
    value instanceof Undefined || value instanceof Dict ||
    value instanceof Lazy || value instanceof Markup;
}

/** `len(value)`; null if it has none. */
export function lengthOf(value: Value): number | null {
  if (value instanceof Markup) return lengthOf(value.text);
  if (typeof value === "string") {
    let length = 0;
    for (const _ of value) length++;
    return length;
  }
  if (value instanceof Undefined) return 0;
  if (value instanceof Dict) return value.size;
  return itemsOf(value)?.length ?? null;
}

/** `bool(value)`. */
export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  const length = lengthOf(value);
  return length === null || length > 0;
}

/** `str(value)`: what a template prints. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  if (value instanceof Markup) return value.text;
  return repr(value);
}

/** `repr(value)`: its text inside a printed list. */
export function repr(value: Value): string {
  step();
  if (value === null) return "None";
  switch (typeof value) {
    case "boolean":
      return value ? "True" : "False";
    case "bigint":
      if (value >= 10n ** 4300n || value <= -(10n ** 4300n)) {
        throw new JinjaError("an integer has more than 4300 digits");
      }
      return String(value);
    case "number":
      return floatText(value);
    case "string":
      return reprText(value);
  }
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${reprText(value.text)})`;
  if (value instanceof Range) return value.text;
  if (value instanceof Dict) {
    const inner = value.entries().map(([k, v]) => `${repr(k)}: ${repr(v)}`);
    return `{${inner.join(", ")}}`;
  }
  const items = itemsOf(value);
  if (items === null) throw unsupported(`printing a ${typeOf(value)}`);
  const inner = items.map(repr).join(", ");
  if (value instanceof Tuple) {
    return items.length === 1 ? `(${inner},)` : `(${inner})`;
  }
  return value instanceof View ? `${value.typeName}([${inner}])` : `[${inner}]`;
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}\\]/gu;
const SHORT: Readonly<Record<string, string>> = {
  " ": " ",
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function reprText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(UNPRINTABLE, (letter) => {
    const code = letter.codePointAt(0)!;
    const hex = (digits: number) => code.toString(16).padStart(digits, "0");
    if (letter in SHORT) return SHORT[letter];
    if (code < 0x100) return `\\x${hex(2)}`;
    return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
  });
  return quote + inner.replaceAll(quote, `\\${quote}`) + quote;
}

/** A float as Python writes it: 1.0, 1e-05, 1e+16. */
export function floatText(x: number): string {
  if (Number.isNaN(x)) return "nan";
  if (Math.abs(x) === Infinity) return x > 0 ? "inf" : "-inf";
  const [mantissa, power] = x.toExponential().split("e");
  const exponent = Number(power);
  const sign = Object.is(x, -0) ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    const digits = String(Math.abs(exponent)).padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  if (Number.isInteger(x)) return `${sign}${BigInt(x)}.0`;
  const decimals = mantissa.replace(/^-?\d\.?/, "").length - exponent;
  return x.toFixed(decimals);
}

/** `a == b`. */
export function equals(a: Value, b: Value): boolean {
  step();
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return compare(a, b) === 0;
  if (a instanceof Markup) return equals(a.text, b);
  if (b instanceof Markup) return equals(a, b.text);
  if (a instanceof Undefined) return b instanceof Undefined;
  if (a instanceof Dict && b instanceof Dict) {
    return a.size === b.size && a.entries().every(([key, value]) => {
      const other = b.get(key);
      return other !== undefined && equals(value, other);
    });
  }
  if (a instanceof View && b instanceof View) {
    throw unsupported("comparing what keys(), values() or items() give");
  }
  const [x, y] = [itemsOf(a), itemsOf(b)];
  return x !== null && y !== null && typeOf(a) === typeOf(b) &&
    x.length === y.length && x.every((item, i) => equals(item, y[i]));
}

/** Negative if a < b, positive if a > b, NaN if they cannot be ordered. */
export function compare(a: Value, b: Value): number {
  step();
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)];
    // An integer is never identical to a float, and no order holds with NaN.
    return x < y ? -1 : x > y ? 1 : x <= y ? 0 : NaN;
  }
  if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
  const comparable = typeOf(a) === typeOf(b) &&
    (Array.isArray(a) || a instanceof Tuple);
  if (!comparable) {
    throw new JinjaError(
      `values of types ${typeOf(a)} and ${typeOf(b)} have no order`,
    );
  }
  const [x, y] = [itemsOf(a)!, itemsOf(b)!];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (!equals(x[i], y[i])) return compare(x[i], y[i]);
  }
  return x.length - y.length;
}

/** Compares texts by code points, whose order differs from UTF-16's. */
function compareTexts(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  step(Math.min(x.length, y.length));
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return x[i].codePointAt(0)! - y[i].codePointAt(0)!;
  }
  return x.length - y.length;
}

/** Whether it is an int, a float or a bool, which is an int in Python. */
export function isNumber(value: Value): value is bigint | number | boolean {
  return typeof value === "bigint" || typeof value === "number" ||
    typeof value === "boolean";
}

/** A number; true is 1 and false 0. */
export function numeric(value: bigint | number | boolean): bigint | number {
  return typeof value === "boolean" ? BigInt(value) : value;
}

/** A text that is equal for equal keys of a dict, and only for them. */
export function hash(value: Value): string {
  step();
  if (value === null) return "none";
  if (value instanceof Markup) return hash(value.text);
  if (typeof value === "string") return `text ${value}`;
  if (isNumber(value)) return `number ${numeric(value)}`;
  if (value instanceof Tuple) {
    return `tuple ${JSON.stringify(value.items.map(hash))}`;
  }
  if (value instanceof Undefined) return "undefined";
  if (Array.isArray(value) || value instanceof Dict) {
    throw new JinjaError(`a value of type ${typeOf(value)} cannot be a key`);
  }
  throw unsupported(`a key of type ${typeOf(value)}`);
}

/** `item in container`. */
export function contains(container: Value, item: Value): boolean {
  if (container instanceof Markup) throw unsupported('"in" of markup');
  if (typeof container === "string") {
    if (item instanceof Markup) return container.includes(item.text);
    if (typeof item !== "string") {
      throw new JinjaError(`a text cannot hold a ${typeOf(item)}`);
    }
    step(container.length);
    return container.includes(item);
  }
  if (container instanceof Dict) return container.get(item) !== undefined;
  for (const other of iterate(container)) if (equals(other, item)) return true;
  return false;
}

/** An index that a slice or a subscript takes: an int. */
function indexOf(value: Value): number | null {
  if (typeof value === "boolean") return Number(value);
  return typeof value === "bigint" ? Number(value) : null;
}

/** `object[index]`; undefined if there is no such item. */
export function itemAt(object: Value, index: Value): Value | undefined {
  if (object instanceof Undefined) throw new JinjaError(object.message);
  if (object instanceof Dict) {
    if (Array.isArray(index) || index instanceof Dict) return undefined;
    return object.get(index);
  }
  if (object instanceof Markup) throw unsupported("an index of markup");
  const at = indexOf(index);
  if (at === null) return undefined;
  // Most texts are short, and templates read their ends.
  const items = typeof object === "string" ? [...object] : itemsOf(object);
  if (items === null || object instanceof View) return undefined;
  return items[at < 0 ? at + items.length : at];
}

/** `object[start:stop:step]`. */
export function sliceOf(object: Value, bounds: readonly Value[]): Value {
  const [start, stop, stride] = bounds.map((bound) => {
    const at = bound === null ? null : indexOf(bound);
    if (at === null && bound !== null) {
      throw new JinjaError(
        `a slice must have integers: one is of type ${typeOf(bound)}`,
      );
    }
    return at;
  });
  if (object instanceof Undefined) throw new JinjaError(object.message);
  if (object instanceof Range || object instanceof Markup) {
    throw unsupported(`a slice of a ${typeOf(object)}`);
  }
  const items = typeof object === "string" ? [...object] : itemsOf(object);
  if (items === null || object instanceof View) {
    // Jinja gives an undefined value for a constant, and an error for a variable.
    throw unsupported(`a slice of a ${typeOf(object)}`);
  }
  const by = stride ?? 1;
  if (by === 0) throw new JinjaError("a slice must have a step");
  const length = items.length;
  const clamp = (at: number | null, fallback: number): number => {
    if (at === null) return fallback;
    const from = at < 0 ? at + length : at;
    return by > 0
      ? Math.min(Math.max(from, 0), length)
      : Math.min(Math.max(from, -1), length - 1);
  };
  const end = clamp(stop, by > 0 ? length : -1);
  const picked: Value[] = [];
  for (
    let i = clamp(start, by > 0 ? 0 : length - 1);
    by > 0 ? i < end : i > end;
    i += by
  ) picked.push(items[i]);
  step(picked.length);
  if (typeof object === "string") return picked.join("");
  return object instanceof Tuple ? new Tuple(picked) : picked;
}

/** Converts a JSON value to a template's: whole numbers become integers. */
export function fromJson(json: unknown): Value {
  if (typeof json === "number" && Number.isInteger(json)) return BigInt(json);
  if (typeof json !== "object" || json === null) return json as Value;
  if (Array.isArray(json)) return json.map(fromJson);
  return new Dict(
    Object.entries(json).map(([key, value]) => [key, fromJson(value)]),
  );
}
