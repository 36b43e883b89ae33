/**
 * Builds the body of a function: locals, statements and control flow. Statements are
 * appended in the order of the calls.
 *
 * This module is browser compatible.
 */

import { type Bytes, u32 } from "./encoding.ts";
import {
  type Code,
  codeOf,
  type Expression,
  memoryArgument,
  opcodeBytes,
  type Operand,
  type ValueType,
  type VectorConstant,
} from "./expression.ts";
import { i32 } from "./instructions.ts";

/** A variable of a function. As an expression it is the variable's value. */
export interface Local<T extends ValueType> extends Expression<T> {
  /** Its number; parameters come first. */
  readonly index: number;
}

/** A block or loop that `branch` can name. */
export interface Label {
  /** How many blocks enclose it. */
  readonly depth: number;
}

/** The codes of the types. */
export const TYPE_CODES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  f32: 0x7d,
  v128: 0x7b,
};

/** Stores by the type of the value: opcode and log₂ of the size in bytes. */
const STORES = {
  i32: [0x36, 2],
  f32: [0x38, 2],
  v128: [[0xfd, 11], 4],
} as const;

const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BRANCH = 0x0c;
const BRANCH_IF = 0x0d;
const RETURN = 0x0f;
const DROP = 0x1a;
const GET_LOCAL = 0x20;
const SET_LOCAL = 0x21;
const V128_CONST: Bytes = [0xfd, 0x0c];
/** The type of a block that neither takes nor leaves a value. */
const EMPTY = 0x40;

/** Collects the statements of a function. */
export class FunctionBody {
  readonly #code: number[] = [];
  /** Variables that hold vector constants, by their bytes. */
  readonly #constants = new Map<string, Local<"v128">>();
  /** Code that sets them when the function starts. */
  readonly #prologue: number[] = [];
  readonly #locals: Local<ValueType>[] = [];
  readonly #labels: Label[] = [];
  readonly #parameters: number;

  /** A body whose first locals are parameters of these types. */
  constructor(parameters: readonly ValueType[]) {
    this.#parameters = parameters.length;
    for (const type of parameters) this.local(type);
  }

  /** Its parameters and the variables made so far. */
  get locals(): readonly Local<ValueType>[] {
    return this.#locals;
  }

  /** Makes a variable; it is zero when the function starts, and only then. */
  local<T extends ValueType>(type: T): Local<T> {
    const index = this.#locals.length;
    const local = { type, index, code: getLocal(index) };
    this.#locals.push(local);
    return local;
  }

  /** Makes a variable and gives it a value. */
  let<T extends ValueType>(value: Expression<T>): Local<T> {
    const local = this.local(value.type);
    this.set(local, value as Operand<T>);
    return local;
  }

  /**
   * Gives a variable a value.
   *
   * @throws {TypeError} When the variable is another function's.
   */
  set<T extends ValueType>(local: Local<T>, value: Operand<NoInfer<T>>): void {
    if (this.#locals[local.index] !== local as Local<ValueType>) {
      throw new TypeError(
        `Cannot set a local as it must belong to this function: current value is local ${local.index} of another`,
      );
    }
    this.#push(codeOf(local.type, value), [SET_LOCAL, ...u32(local.index)]);
  }

  /** Writes a value to memory at address + offset bytes. */
  store(
    address: Operand<"i32">,
    value: Expression<ValueType>,
    offset = 0,
  ): void {
    const [opcode, log2Bytes] = STORES[value.type];
    this.#push(
      codeOf("i32", address),
      value.code,
      opcodeBytes(opcode),
      memoryArgument(offset, log2Bytes),
    );
  }

  /** Evaluates an expression for its effect, and drops its value. */
  do(expression: Expression<ValueType | "none">): void {
    this.#push(expression.code, expression.type === "none" ? [] : [DROP]);
  }

  /** Runs `then` when the condition is not zero, else `otherwise`. */
  if(
    condition: Operand<"i32">,
    then: () => void,
    otherwise?: () => void,
  ): void {
    this.#push(codeOf("i32", condition), [IF, EMPTY]);
    this.#enclosed(() => {
      then();
      if (otherwise) {
        this.#push([ELSE]);
        otherwise();
      }
    });
  }

  /** A block: branching to its label leaves it. */
  block(content: (label: Label) => void): void {
    this.#push([BLOCK, EMPTY]);
    this.#enclosed(content);
  }

  /** A loop: branching to its label starts it again; at its end it is left. */
  loop(content: (label: Label) => void): void {
    this.#push([LOOP, EMPTY]);
    this.#enclosed(content);
  }

  /** Jumps, always or when the condition is not zero. */
  branch(label: Label, condition?: Operand<"i32">): void {
    if (this.#labels[label.depth] !== label) {
      throw new TypeError(
        `Cannot branch to a label as it must enclose the branch: current value is a label of depth ${label.depth}`,
      );
    }
    const relative = u32(this.#labels.length - 1 - label.depth);
    if (condition === undefined) this.#push([BRANCH, ...relative]);
    else this.#push(codeOf("i32", condition), [BRANCH_IF, ...relative]);
  }

  /** Repeats `content` while the condition is not zero; it is tested before each turn. */
  while(condition: Operand<"i32">, content: () => void): void {
    // Testing again at the end takes one jump per turn instead of two.
    this.if(condition, () =>
      this.loop((again) => {
        content();
        this.branch(again, condition);
      }));
  }

  /**
   * `for (counter = from; counter < to; counter += step)`, unsigned, so that addresses
   * can be counted; `to + step` must be below 2³². `to` is evaluated in every turn:
   * pass a local or a constant.
   */
  for(
    counter: Local<"i32">,
    { from, to, step = 1 }: ForRange,
    content: () => void,
  ): void {
    this.set(counter, from);
    this.while(i32.ltU(counter, to), () => {
      content();
      this.set(counter, i32.add(counter, step));
    });
  }

  /** Leaves the function; needed only before its end. */
  return(value?: Expression<ValueType>): void {
    this.#push(value?.code ?? [], [RETURN]);
  }

  /** The body as the code section holds it, ending in the value it leaves. */
  encode(result: Expression<ValueType> | undefined): Bytes {
    if (result) this.#push(result.code);
    const variables = this.#locals.slice(this.#parameters);
    const code = [
      ...u32(variables.length),
      ...variables.flatMap(({ type }) => [1, TYPE_CODES[type]]),
      ...this.#prologue,
      ...this.#code,
      END,
    ];
    return [...u32(code.length), ...code];
  }

  #enclosed(content: (label: Label) => void): void {
    const label = { depth: this.#labels.length };
    this.#labels.push(label);
    content(label);
    this.#labels.pop();
    this.#push([END]);
  }

  #push(...parts: readonly Code[]): void {
    for (const item of parts.flat()) {
      if (typeof item === "number") this.#code.push(item);
      else this.#code.push(...getLocal(this.#constant(item).index));
    }
  }

  /**
   * The variable of a vector constant, set once when the function starts. V8 takes
   * four instructions for each use of a constant, and one to read a variable.
   */
  #constant(constant: VectorConstant): Local<"v128"> {
    const key = constant.bytes.join();
    let local = this.#constants.get(key);
    if (!local) {
      local = this.local("v128");
      this.#constants.set(key, local);
      this.#prologue.push(
        ...V128_CONST,
        ...constant.bytes,
        SET_LOCAL,
        ...u32(local.index),
      );
    }
    return local;
  }
}

function getLocal(index: number): Bytes {
  return [GET_LOCAL, ...u32(index)];
}

/** The range of `FunctionBody.for`. */
export interface ForRange {
  /** The first value. */
  readonly from: Operand<"i32">;
  /** The first value that is too large. */
  readonly to: Operand<"i32">;
  /** How far apart the values are; 1 when not given. */
  readonly step?: Operand<"i32">;
}
