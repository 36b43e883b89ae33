// Attributes and items of values: Python's own methods first, as Jinja finds them
// before the keys of a dict.

import { JinjaError, unsupported } from "./lexer.ts";
import { bind, textMethod } from "./text.ts";
import {
  Callable,
  Dict,
  equals,
  itemAt,
  Markup,
  PyObject,
  str,
  Tuple,
  typeOf,
  Undefined,
  type Value,
  View,
} from "./values.ts";

type Bound = readonly (Value | undefined)[];

/** Methods that would change Python's lists and dicts. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  list: "append clear extend insert pop remove reverse sort".split(" "),
  dict: "clear pop popitem setdefault update".split(" "),
};

/** Attributes of other Python values that are refused. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  dict: ["fromkeys"],
  range: ["start", "stop", "step", "count", "index"],
  int: ("as_integer_ratio bit_count bit_length conjugate denominator " +
    "from_bytes imag numerator real to_bytes").split(" "),
  float: "as_integer_ratio conjugate fromhex hex imag is_integer real"
    .split(" "),
  generator: "close send throw".split(" "),
  "dict_keys": ["isdisjoint", "mapping"],
  "dict_values": ["mapping"],
  "dict_items": ["isdisjoint", "mapping"],
};
const REFUSED_OF_BOOL = REFUSED.int;

/** A built-in attribute of a Python value; undefined if it has none. */
function ownAttribute(object: Value, name: string): Value | undefined {
  if (name.startsWith("__")) throw unsupported(`the attribute "${name}"`);
  if (object instanceof Markup) throw unsupported(`"${name}" of markup`);
  if (typeof object === "string") {
    const method = textMethod(object, name);
    return method && new Callable(method);
  }
  const type = typeOf(object);
  if (CHANGES[type]?.includes(name)) {
    return new Undefined(`"${name}" would change a ${type}`);
  }
  const refused = type === "bool" ? REFUSED_OF_BOOL : REFUSED[type];
  if (refused?.includes(name)) throw unsupported(`"${name}" of a ${type}`);
  if (object instanceof Dict) return dictMethod(object, name);
  if (Array.isArray(object) || object instanceof Tuple) {
    const items: readonly Value[] = object instanceof Tuple
      ? object.items
      : object;
    // Nothing changes a list, so it serves as its own copy.
    if (name === "copy" && type === "list") return method("", () => object);
    if (name === "count") {
      return method(
        "/ item",
        ([item]) => BigInt(items.filter((one) => equals(one, item!)).length),
      );
    }
    if (name === "index") {
      return method("/ item", ([item]) => {
        const at = items.findIndex((one) => equals(one, item!));
        if (at < 0) throw new JinjaError("an item is not in the list");
        return BigInt(at);
      });
    }
  }
  return object instanceof PyObject ? object.attribute(name) : undefined;
}

function method(signature: string, body: (args: Bound) => Value): Callable {
  return new Callable((args, named) =>
    body(bind("a method", signature, args, named))
  );
}

function dictMethod(dict: Dict, name: string): Callable | undefined {
  switch (name) {
    case "copy":
      return method("", () => dict);
    case "get":
      return method(
        "/ key fallback?",
        ([key, fallback]) => {
          const value = dict.get(key!);
          return value === undefined ? fallback ?? null : value;
        },
      );
    case "keys":
      return method("", () => new View("keys", dict.keys()));
    case "values":
      return method(
        "",
        () => new View("values", dict.entries().map(([, value]) => value)),
      );
    case "items":
      return method("", () => new View("items", pairs(dict)));
  }
}

/** The pairs of a dict. */
export function pairs(dict: Dict): Tuple[] {
  return dict.entries().map((entry) => new Tuple(entry));
}

function missing(object: Value, name: Value): Undefined {
  return new Undefined(`a ${typeOf(object)} has no "${str(name)}"`);
}

/** `object.name`: the attribute, else the item. */
export function getAttribute(object: Value, name: string): Value {
  if (object instanceof Undefined) throw new JinjaError(object.message);
  const own = ownAttribute(object, name);
  const value = own === undefined ? itemAt(object, name) : own;
  return value === undefined ? missing(object, name) : value;
}

/** `object[index]`: the item, else the attribute. */
export function getItem(object: Value, index: Value): Value {
  const item = itemAt(object, index);
  if (item !== undefined) return item;
  const own = typeof index === "string"
    ? ownAttribute(object, index)
    : undefined;
  return own === undefined ? missing(object, index) : own;
}
