// Python's operators on the values of templates.

import { JinjaError, unsupported } from "./lexer.ts";
import { formatPercent } from "./text.ts";
import {
  compare,
  contains,
  counted,
  equals,
  isNumber,
  itemsOf,
  Markup,
  numeric,
  step,
  str,
  Tuple,
  typeOf,
  Undefined,
  type Value,
} from "./values.ts";

/** Limits of an operation's result: bits of an integer, items of a text or list. */
const MAX_RESULT = 1_000_000;

/**
 * `left op right`, of + - * / // % and **.
 *
 * @throws {JinjaError} If Python refuses it.
 */
export function operate(op: string, left: Value, right: Value): Value {
  step();
  if (op === "%" && typeof left === "string") return formatPercent(left, right);
  for (const side of [left, right]) {
    if (side instanceof Undefined) throw new JinjaError(side.message);
  }
  if (left instanceof Markup || right instanceof Markup) {
    return addMarkup(op, left, right);
  }
  if (isNumber(left) && isNumber(right)) {
    const [a, b] = [numeric(left), numeric(right)];
    return typeof a === "bigint" && typeof b === "bigint"
      ? integers(op, a, b)
      : floats(op, Number(a), Number(b));
  }
  const refused = (): JinjaError =>
    new JinjaError(
      `"${op}" takes no values of types ${typeOf(left)} and ${typeOf(right)}`,
    );
  if (op === "+") {
    if (typeof left === "string" && typeof right === "string") {
      return counted(left + right);
    }
    const [a, b] = [sequence(left), sequence(right)];
    if (!a || !b || typeOf(left) !== typeOf(right)) throw refused();
    step(a.length + b.length);
    const joined = [...a, ...b];
    return left instanceof Tuple ? new Tuple(joined) : joined;
  }
  if (op === "*") {
    if (isNumber(left)) return repeat(right, left, refused);
    return repeat(left, right, refused);
  }
  throw refused();
}

/** `-value` or `+value`. */
export function negate(op: string, value: Value): Value {
  if (value instanceof Undefined) throw new JinjaError(value.message);
  if (!isNumber(value)) {
    throw new JinjaError(`"${op}" takes no value of type ${typeOf(value)}`);
  }
  const number = numeric(value);
  return op === "-" ? -number : number;
}

function sequence(value: Value): readonly Value[] | null {
  return Array.isArray(value) || value instanceof Tuple ? itemsOf(value) : null;
}

function repeat(value: Value, times: Value, refused: () => Error): Value {
  const items = typeof value === "string" ? value : sequence(value);
  if (items === null || !isNumber(times) || typeof times === "number") {
    throw refused();
  }
  const count = Math.max(0, Number(times));
  if (count * Math.max(items.length, 1) > MAX_RESULT) {
    throw unsupported(`a result of more than ${MAX_RESULT} items`);
  }
  if (typeof items === "string") return counted(items.repeat(count));
  const repeated = Array<readonly Value[]>(count).fill(items).flat();
  step(repeated.length);
  return value instanceof Tuple ? new Tuple(repeated) : repeated;
}

/** Escapes text that is joined with markup. */
function addMarkup(op: string, left: Value, right: Value): Value {
  const texts = [left, right].map((side) =>
    typeof side === "string"
      ? escapeHtml(side)
      : side instanceof Markup
      ? side.text
      : null
  );
  if (op !== "+" || texts.includes(null)) {
    throw unsupported(`"${op}" of markup`);
  }
  return new Markup(counted(texts.join("")));
}

/** A text for HTML, as the filter `escape` writes it. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&#39;",
    '"': "&#34;",
  };
  return text.replace(/[&<>'"]/g, (letter) => names[letter]);
}

function integers(op: string, a: bigint, b: bigint): Value {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      if (bits(a) + bits(b) > MAX_RESULT) throw tooLong();
      return a * b;
    case "**": {
      if (b < 0n) return floats(op, exactly(a), exactly(b));
      if (bits(a) * Number(b) > MAX_RESULT) throw tooLong();
      return a ** b;
    }
  }
  if (b === 0n) throw new JinjaError("it divides by zero");
  if (op === "/") return exactly(a) / exactly(b);
  // Python rounds down, JavaScript towards zero.
  const rest = a % b;
  const isBelow = rest !== 0n && (rest < 0n) !== (b < 0n);
  if (op === "%") return isBelow ? rest + b : rest;
  return isBelow ? a / b - 1n : a / b;
}

function bits(a: bigint): number {
  return a.toString(16).length * 4;
}

function tooLong(): JinjaError {
  return unsupported(`an integer of more than ${MAX_RESULT} bits`);
}

/** An integer as an equal float. */
function exactly(a: bigint): number {
  if (BigInt(Number(a)) !== a) throw unsupported("dividing long integers");
  return Number(a);
}

function floats(op: string, a: number, b: number): number {
  const finite = (x: number): number => {
    if (Number.isFinite(a) && Number.isFinite(b) && !Number.isFinite(x)) {
      throw new JinjaError(`"${op}" gives a number that is too large`);
    }
    return x;
  };
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "**":
      if (a < 0 && !Number.isInteger(b)) throw unsupported("a complex number");
      if (Math.abs(a) === 1 || Number.isNaN(a) || Number.isNaN(b)) {
        throw unsupported(`${a} ** ${b}`);
      }
      return finite(a ** b);
  }
  if (b === 0) throw new JinjaError("it divides by zero");
  if (op === "/") return a / b;
  // The algorithm is float_divmod of CPython.
  let rest = a % b;
  let quotient = (a - rest) / b;
  if (rest === 0) rest = b < 0 ? -0 : 0;
  else if ((b < 0) !== (rest < 0)) {
    rest += b;
    quotient -= 1;
  }
  if (op === "%") return rest;
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

/** Whether two values can be ordered. */
export function inOrder(
  a: Value,
  b: Value,
  is: (order: number) => boolean,
): boolean {
  for (const side of [a, b]) {
    if (side instanceof Undefined) throw new JinjaError(side.message);
    if (side instanceof Markup) throw unsupported("ordering markup");
  }
  return is(compare(a, b));
}

/** Whether `left op right`, of == != < <= > >= in and not in. */
export function holds(op: string, left: Value, right: Value): boolean {
  switch (op) {
    case "==":
      return equals(left, right);
    case "!=":
      return !equals(left, right);
    case "in":
      return contains(right, left);
    case "not in":
      return !contains(right, left);
    case "<":
      return inOrder(left, right, (order) => order < 0);
    case "<=":
      return inOrder(left, right, (order) => order <= 0);
    case ">":
      return inOrder(left, right, (order) => order > 0);
    default:
      return inOrder(left, right, (order) => order >= 0);
  }
}

/** `a ~ b`: the parts as text, joined. */
export function concatenate(values: readonly Value[]): string {
  return counted(values.map(str).join(""));
}
