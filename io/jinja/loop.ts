// The variable `loop` of a loop. It reads items ahead only when asked to.

import { JinjaError } from "./lexer.ts";
import {
  Callable,
  equals,
  iterate,
  lengthOf,
  PyObject,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";

/** The variable `loop`. */
export class Loop extends PyObject {
  readonly typeName = "LoopContext";
  readonly #known: number | null;
  readonly #recurse: ((items: Value) => string) | null;
  readonly #depth: number;
  readonly #items: Iterator<Value>;
  /** Items that were read ahead. */
  #ahead: Value[] = [];
  #index = -1;
  #before: Value | undefined;
  #current: Value | undefined;
  #last: Value | undefined;

  constructor(
    items: Value,
    recurse: ((items: Value) => string) | null,
    depth: number,
  ) {
    super();
    this.#known = lengthOf(items);
    this.#recurse = recurse;
    this.#depth = depth;
    this.#items = iterate(items);
  }

  /** The next item; undefined at the end. */
  next(): Value | undefined {
    const item = this.#ahead.length > 0 ? this.#ahead.shift() : this.#read();
    if (item === undefined) return undefined;
    this.#index++;
    this.#before = this.#current;
    this.#current = item;
    return item;
  }

  #read(): Value | undefined {
    const { done, value } = this.#items.next();
    return done ? undefined : value;
  }

  #peek(): Value | undefined {
    if (this.#ahead.length === 0) {
      const next = this.#read();
      if (next !== undefined) this.#ahead.push(next);
    }
    return this.#ahead[0];
  }

  #length(): number {
    if (this.#known !== null) return this.#known;
    for (let item = this.#read(); item !== undefined; item = this.#read()) {
      this.#ahead.push(item);
    }
    return this.#index + 1 + this.#ahead.length;
  }

  override attribute(name: string): Value | undefined {
    const index = this.#index;
    switch (name) {
      case "index":
        return BigInt(index + 1);
      case "index0":
        return BigInt(index);
      case "revindex":
        return BigInt(this.#length() - index);
      case "revindex0":
        return BigInt(this.#length() - index - 1);
      case "first":
        return index === 0;
      case "last":
        return this.#peek() === undefined;
      case "length":
        return BigInt(this.#length());
      case "depth":
        return BigInt(this.#depth + 1);
      case "depth0":
        return BigInt(this.#depth);
      case "previtem":
        return this.#before === undefined
          ? new Undefined("there is no previous item")
          : this.#before;
      case "nextitem": {
        const next = this.#peek();
        return next === undefined
          ? new Undefined("there is no next item")
          : next;
      }
      case "cycle":
        return new Callable((args) => {
          if (args.length === 0) throw new JinjaError("cycle takes items");
          return args[index % args.length];
        });
      case "changed":
        return new Callable((args) => {
          const value = new Tuple(args);
          const is = this.#last === undefined || !equals(this.#last, value);
          this.#last = value;
          return is;
        });
      case "__call__":
        return new Callable((args) => {
          if (this.#recurse === null) {
            throw new JinjaError("only a recursive loop can be called");
          }
          return this.#recurse(args[0]);
        });
    }
  }
}
