// The global functions of every template: Jinja's and those of transformers.

import { pairs } from "./attributes.ts";
import { JinjaError, unsupported } from "./lexer.ts";
import { bind, integerOf, textOf } from "./text.ts";
import {
  Callable,
  Dict,
  iterate,
  type Named,
  Namespace,
  Range,
  str,
  type Value,
} from "./values.ts";

function dict(args: readonly Value[], named: Named): Dict {
  if (args.length > 1) throw new JinjaError("dict takes one list");
  const made = new Dict();
  for (
    const item of args[0] instanceof Dict
      ? pairs(args[0])
      : args.length > 0
      ? iterate(args[0])
      : []
  ) {
    const pair = [...iterate(item)];
    if (pair.length !== 2) throw new JinjaError("dict takes pairs");
    made.set(pair[0], pair[1]);
  }
  for (const [key, value] of named) made.set(key, value);
  return made;
}

const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"
  .split(" ");
const MONTHS = ("January February March April May June July August " +
  "September October November December").split(" ");

/** A time as Python's strftime writes it in the C locale. */
export function strftime(time: Date, format: string): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const hour = time.getHours();
  const parts: Readonly<Record<string, string>> = {
    "%": "%",
    A: DAYS[time.getDay()],
    B: MONTHS[time.getMonth()],
    H: two(hour),
    I: two(hour % 12 || 12),
    M: two(time.getMinutes()),
    S: two(time.getSeconds()),
    Y: String(time.getFullYear()),
    a: DAYS[time.getDay()].slice(0, 3),
    b: MONTHS[time.getMonth()].slice(0, 3),
    d: two(time.getDate()),
    m: two(time.getMonth() + 1),
    p: hour < 12 ? "AM" : "PM",
    y: two(time.getFullYear() % 100),
  };
  return format.replace(/%([^]?)/g, (whole, letter: string) => {
    if (Object.hasOwn(parts, letter)) return parts[letter];
    throw unsupported(`"${whole}" of strftime_now`);
  });
}

function refusing(name: string): Callable {
  return new Callable(() => {
    throw unsupported(`the function "${name}"`);
  });
}

/** The global functions by name. */
export const GLOBALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["cycler", refusing("cycler")],
  ["dict", new Callable(dict, { fromkeys: refusing("dict.fromkeys") })],
  ["joiner", refusing("joiner")],
  ["lipsum", refusing("lipsum")],
  [
    "namespace",
    new Callable((args, named) => new Namespace(dict(args, named))),
  ],
  [
    "raise_exception",
    new Callable((args, named) => {
      const [message] = bind("raise_exception", "message", args, named);
      throw new JinjaError(str(message!));
    }),
  ],
  [
    "range",
    new Callable((args, named) => {
      const [first, second, by] = bind("range", "/ a b? step?", args, named)
        .map(
          (bound) =>
            bound === undefined ? undefined : BigInt(integerOf(bound, 0)),
        );
      return second === undefined
        ? new Range(0n, first!, 1n)
        : new Range(first!, second, by ?? 1n);
    }),
  ],
  [
    "strftime_now",
    new Callable((args, named) => {
      const [format] = bind("strftime_now", "format", args, named);
      return strftime(new Date(), textOf(format));
    }),
  ],
]);
