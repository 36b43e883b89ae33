// JSON as Python's json.dumps writes it, with the options of the filter tojson.

import { JinjaError, unsupported } from "./lexer.ts";
import {
  compare,
  counted,
  Dict,
  isNumber,
  Markup,
  numeric,
  repr,
  Tuple,
  typeOf,
  type Value,
} from "./values.ts";

/** JSON as Python's json.dumps writes it. */
export function toJson(
  value: Value,
  { ascii, indent, separators: [comma, colon], sorted }: {
    readonly ascii: boolean;
    readonly indent: string | null;
    readonly separators: readonly [comma: string, colon: string];
    readonly sorted: boolean;
  },
): string {
  const quote = (text: string): string => {
    const json = JSON.stringify(text);
    return ascii
      ? json.replace(
        /[\x80-\uffff]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
      )
      : json;
  };
  const number = (value: bigint | number): string => {
    const text = repr(value);
    if (typeof value === "bigint" || Number.isFinite(value)) return text;
    return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  };
  const key = (value: Value): string => {
    if (typeof value === "string") return quote(value);
    if (typeof value === "boolean" || value === null) return `"${value}"`;
    if (isNumber(value)) return `"${number(numeric(value))}"`;
    throw new JinjaError(`JSON has no keys of type ${typeOf(value)}`);
  };
  const group = (parts: string[], [open, close]: string, line: string) => {
    if (parts.length === 0) return open + close;
    if (indent === null) return open + parts.join(comma) + close;
    const inner = `${line}${indent}`;
    return open + inner + parts.join(comma + inner) + line + close;
  };
  const write = (value: Value, line: string): string => {
    if (value === null || typeof value === "boolean") return String(value);
    if (isNumber(value)) return number(numeric(value));
    if (typeof value === "string") return quote(value);
    const inner = line + (indent ?? "");
    if (Array.isArray(value) || value instanceof Tuple) {
      const items: readonly Value[] = value instanceof Tuple
        ? value.items
        : value;
      return group(items.map((item) => write(item, inner)), "[]", line);
    }
    if (!(value instanceof Dict)) {
      throw new JinjaError(`JSON has no values of type ${typeOf(value)}`);
    }
    const entries = value.entries();
    if (sorted) {
      if (!entries.every(([key]) => typeof key === "string")) {
        throw unsupported("sorting keys that are no texts");
      }
      entries.sort(([a], [b]) => compare(a, b));
    }
    return group(
      entries.map(([k, v]) => key(k) + colon + write(v, inner)),
      "{}",
      line,
    );
  };
  return counted(write(plain(value), "\n"));
}

/** Markup as the text that JSON writes. */
function plain(value: Value): Value {
  if (value instanceof Markup) return value.text;
  if (value instanceof Tuple) return value.items.map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Dict)) return value;
  return new Dict(value.entries().map(([key, item]) => [key, plain(item)]));
}
