// Runs templates: Jinja 3.1 in transformers' environment for chat templates. The
// result is Jinja's text, or an error where Jinja gives one or this interpreter
// lacks a construct. Every template ends, if necessary with an error.

import { concatenate, holds, negate, operate } from "./arithmetic.ts";
import { getAttribute, getItem } from "./attributes.ts";
import { checkName, filter, test } from "./filters.ts";
import { GLOBALS } from "./functions.ts";
import { JinjaError, unsupported } from "./lexer.ts";
import { Loop } from "./loop.ts";
import { namesUsed, Scope } from "./scopes.ts";
import type { Arguments, Expr, Routine, Statement } from "./nodes.ts";
import { parseJinja } from "./syntax.ts";
import {
  Callable,
  counted,
  Dict,
  fromJson,
  isTrue,
  iterate,
  type Named,
  Namespace,
  resetSteps,
  sliceOf,
  step,
  str,
  Tuple,
  typeOf,
  Undefined,
  type Value,
} from "./values.ts";

export { JinjaError } from "./lexer.ts";
export { strip as pythonStrip } from "./text.ts";

/** A template that was read. */
export interface JinjaTemplate {
  /**
   * The template's text.
   *
   * @param variables Its variables, as JSON values.
   * @throws {JinjaError} If Jinja refuses it, or this interpreter does.
   */
  render(variables: Readonly<Record<string, unknown>>): string;
}

/**
 * Reads a template.
 *
 * @throws {JinjaError} If it is no template, or has an unsupported construct.
 */
export function readJinja(text: string): JinjaTemplate {
  const body = orTooDeep(() => parseJinja(text));
  orTooDeep(() => checkNames(body, false));
  return {
    render(variables): string {
      resetSteps();
      const given = new Map(
        Object.entries(variables).map(([name, json]) => [name, fromJson(json)]),
      );
      return orTooDeep(() => new Run(given).render(body));
    },
  };
}

/** Turns an engine's overflow of the stack into an error of the template. */
function orTooDeep<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof JinjaError) throw error;
    const isStack = error instanceof RangeError ||
      (error as Error)?.name === "InternalError";
    if (!isStack) throw error;
    throw unsupported("a template that nests so deeply");
  }
}

/**
 * Checks filters and tests. An unknown one is an error at once, but under a
 * condition only when it is reached.
 */
function checkNames(tree: unknown, isConditional: boolean): void {
  if (typeof tree !== "object" || tree === null) return;
  const { type, name } = tree as { type?: string; name?: string };
  if ((type === "filter" || type === "test") && !isConditional) {
    checkName(type, name!);
  }
  const isLevel = type !== undefined &&
    /^(?:for|with|macro|callBlock|filterBlock|capture|generation)$/.test(type);
  const inside = type === "if" || type === "choice" ||
    (isConditional && !isLevel);
  for (const child of Object.values(tree)) checkNames(child, inside);
}

/** The value of a variable before its first assignment. */
const MISSING = new Undefined("");

/** The variables of one call of a routine, and of its surroundings. */
class Locals {
  readonly #values = new Map<string, Value>();
  readonly #outer: Locals | null;

  constructor(outer: Locals | null = null) {
    this.#outer = outer;
  }

  get(variable: string): Value {
    const value = this.#values.get(variable);
    if (value !== undefined) return value;
    return this.#outer === null ? MISSING : this.#outer.get(variable);
  }

  set(variable: string, value: Value): void {
    this.#values.set(variable, value);
  }
}

/** The surroundings of a statement that runs. */
interface Frame {
  readonly scope: Scope;
  readonly locals: Locals;
  readonly out: string[];
}

/** How a list of statements ends. */
type End = "done" | "break" | "continue";

class Run {
  readonly #given: ReadonlyMap<string, Value>;
  /** The levels of names, each resolved once. */
  readonly #scopes = new Map<unknown, Scope>();

  constructor(given: ReadonlyMap<string, Value>) {
    this.#given = given;
  }

  render(body: readonly Statement[]): string {
    const scope = new Scope().readAll(body);
    const frame = { scope, locals: new Locals(), out: [] as string[] };
    this.#enter(frame);
    this.#run(body, frame);
    return frame.out.join("");
  }

  /** The level of names of a statement, inside the one around it. */
  #level(key: unknown, { scope }: Frame, read: (scope: Scope) => void): Scope {
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    const level = new Scope(scope);
    read(level);
    this.#scopes.set(key, level);
    return level;
  }

  #enter({ scope, locals }: Frame): void {
    for (const [variable, load] of scope.loads) {
      if (load.from === "template") {
        locals.set(variable, this.#resolve(load.name));
      } else if (load.from === "variable") {
        locals.set(variable, locals.get(load.variable));
      } else if (load.from === "nothing") locals.set(variable, MISSING);
    }
  }

  #resolve(name: string): Value {
    for (const from of [this.#given, GLOBALS]) {
      const value = from.get(name);
      if (value !== undefined) return value;
    }
    if (name === "self" || name === "super") {
      throw unsupported(`the variable "${name}"`);
    }
    return MISSING;
  }

  #run(statements: readonly Statement[], frame: Frame): End {
    for (const statement of statements) {
      step();
      const end = this.#statement(statement, frame);
      if (end !== "done") return end;
    }
    return "done";
  }

  #statement(statement: Statement, frame: Frame): End {
    switch (statement.type) {
      case "output":
        for (const item of statement.items) {
          this.#print(
            typeof item === "string" ? item : this.#value(item, frame),
            frame,
          );
        }
        return "done";
      case "set": {
        this.#checkFields(statement.target, frame);
        this.#assign(
          statement.target,
          this.#value(statement.value, frame),
          frame,
        );
        return "done";
      }
      case "capture": {
        const { body, target } = statement;
        const inner = this.#inner(
          statement,
          frame,
          (scope) => scope.readAll(body),
          [],
        );
        const end = this.#run(body, inner);
        if (end !== "done") return end;
        const text = inner.out.join("");
        const value = statement.filter === null
          ? text
          : this.#value(statement.filter, inner, text);
        this.#assign(target, value, frame);
        return "done";
      }
      case "if": {
        const { branches, otherwise } = statement;
        const taken = branches.find(({ test }) =>
          isTrue(this.#value(test, frame))
        );
        return this.#run(taken?.body ?? otherwise, frame);
      }
      case "for":
        return this.#for(statement, frame);
      case "with": {
        const { targets, values, body } = statement;
        const inner = this.#inner(
          statement,
          frame,
          (scope) => scope.read(targets).readAll(body),
        );
        targets.forEach((target, i) =>
          this.#assign(target, this.#value(values[i], frame), inner)
        );
        return this.#run(body, inner);
      }
      case "filterBlock": {
        const inner = this.#inner(
          statement,
          frame,
          (scope) => scope.readAll(statement.body).read(statement.filter),
          [],
        );
        const end = this.#run(statement.body, inner);
        if (end !== "done") return end;
        const text = inner.out.join("");
        this.#print(this.#value(statement.filter, inner, text), frame);
        return "done";
      }
      case "macro":
        this.#store(
          statement.name,
          this.#routine(statement, statement.name, frame),
          frame,
        );
        return "done";
      case "callBlock": {
        const caller = this.#routine(statement, null, frame);
        const { callee } = statement.call;
        const { args, named } = this.#arguments(statement.call, frame);
        named.set("caller", caller);
        this.#print(call(this.#value(callee, frame), args, named), frame);
        return "done";
      }
      case "generation":
        this.#print(
          this.#routine(statement, null, frame).call([], new Map()),
          frame,
        );
        return "done";
      case "break":
      case "continue":
        return statement.type;
    }
  }

  #print(value: Value, { out }: Frame): void {
    out.push(counted(str(value)));
  }

  /** A frame for a level of its own, entered. */
  #inner(
    key: unknown,
    frame: Frame,
    read: (scope: Scope) => void,
    out: string[] = frame.out,
  ): Frame {
    const scope = this.#level(key, frame, read);
    const inner = { scope, locals: frame.locals, out };
    this.#enter(inner);
    return inner;
  }

  #store(name: string, value: Value, { scope, locals }: Frame): void {
    locals.set(scope.variable(name)!, value);
  }

  #assign(target: Expr, value: Value, frame: Frame): void {
    if (target.type === "name") return this.#store(target.name, value, frame);
    if (target.type === "field") {
      const object = this.#load(target.name, frame);
      (object as Namespace).set(target.field, value);
      return;
    }
    const { items } = target as Extract<Expr, { type: "tuple" }>;
    const values = [...iterate(value)];
    if (values.length !== items.length) {
      throw new JinjaError(
        `${values.length} values cannot be assigned to ${items.length} names`,
      );
    }
    items.forEach((item, i) => this.#assign(item, values[i], frame));
  }

  /** Only namespaces have fields that can be set. */
  #checkFields(target: Expr, frame: Frame): void {
    if (target.type === "tuple") {
      target.items.forEach((item) => this.#checkFields(item, frame));
    } else if (target.type === "field") {
      if (!(this.#load(target.name, frame) instanceof Namespace)) {
        throw new JinjaError(`"${target.name}" is no namespace`);
      }
    }
  }

  #load(name: string, { scope, locals }: Frame): Value {
    const value = locals.get(scope.variable(name)!);
    return value === MISSING
      ? new Undefined(`"${name}" is not defined`)
      : value;
  }

  #for(statement: Extract<Statement, { type: "for" }>, frame: Frame): End {
    const items = this.#value(statement.iter, frame);
    if (!statement.recursive) {
      return this.#loop(statement, items, frame, null, 0);
    }
    const again = (items: Value, depth: number): string => {
      const locals = new Locals(frame.locals);
      const out: string[] = [];
      const recurse = (items: Value): string => again(items, depth + 1);
      this.#loop(statement, items, { ...frame, locals, out }, recurse, depth);
      return out.join("");
    };
    this.#print(again(items, 0), frame);
    return "done";
  }

  #loop(
    statement: Extract<Statement, { type: "for" }>,
    items: Value,
    frame: Frame,
    recurse: ((items: Value) => string) | null,
    depth: number,
  ): End {
    const { target, body, otherwise, test } = statement;
    const usesLoop = statement.recursive ||
      namesUsed(body, ["loop"]).has("loop");
    const scope = this.#level(body, frame, (scope) => {
      if (usesLoop) scope.declare("loop");
      scope.read(asParameter(target)).readAll(body);
    });
    const inner = { ...frame, scope };
    const source = test === null
      ? items
      : [...this.#tested(statement, test, items, frame)];
    const loop = new Loop(source, recurse, depth);
    // Jinja runs "else" if no iteration was completed.
    let isEmpty = true;
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      this.#assign(target, item, inner);
      if (usesLoop) this.#store("loop", loop, inner);
      this.#enter(inner);
      const end = this.#run(body, inner);
      if (end === "break") break;
      if (end === "done") isEmpty = false;
    }
    if (!isEmpty || otherwise.length === 0) return "done";
    const other = this.#inner(
      otherwise,
      frame,
      (scope) => scope.readAll(otherwise),
    );
    return this.#run(otherwise, other);
  }

  *#tested(key: unknown, test: Expr, items: Value, frame: Frame) {
    const { target } = key as Extract<Statement, { type: "for" }>;
    const locals = new Locals(frame.locals);
    const scope = this.#level(
      test,
      frame,
      (scope) => scope.read(asParameter(target), test),
    );
    const inner = { ...frame, scope, locals };
    this.#enter(inner);
    for (const item of iterate(items)) {
      this.#assign(target, item, inner);
      if (isTrue(this.#value(test, inner))) yield item;
    }
  }

  /** A macro, or what a call block passes on. */
  #routine(statement: Routine, name: string | null, frame: Frame): Callable {
    const { params, defaults, body } = statement;
    const names = params.map(({ name }) => name);
    const used = namesUsed(body, ["caller", "kwargs", "varargs"]);
    const special = (name: string): boolean =>
      used.has(name) && !names.includes(name);
    const scope = this.#level(statement, frame, (scope) => {
      scope.read(params, defaults);
      for (const name of ["caller", "kwargs", "varargs"]) {
        if (special(name)) scope.declare(name);
      }
      scope.readAll(body);
    });
    const hasDefault = (i: number): boolean =>
      i >= params.length - defaults.length;
    const caller = names.indexOf("caller");
    if (used.has("caller") && caller >= 0 && !hasDefault(caller)) {
      throw new JinjaError('the parameter "caller" must have a default');
    }
    const invoke = (args: readonly Value[], given: Named): string => {
      step();
      const locals = new Locals(frame.locals);
      const inner = { scope, locals, out: [] as string[] };
      const named = new Map(given);
      this.#enter(inner);
      const values = names.map((name, i) => {
        if (i < args.length) return args[i];
        const value = named.get(name);
        named.delete(name);
        return value;
      });
      if (special("caller")) {
        const caller = named.get("caller") ??
          new Undefined("there is no caller");
        named.delete("caller");
        this.#store("caller", caller, inner);
      }
      if (special("kwargs")) this.#store("kwargs", new Dict(named), inner);
      else if (named.size > 0) {
        throw new JinjaError(
          `a macro takes no argument "${[...named.keys()][0]}"`,
        );
      }
      const more = args.slice(names.length);
      if (special("varargs")) this.#store("varargs", new Tuple(more), inner);
      else if (more.length > 0) {
        throw new JinjaError(`a macro takes at most ${names.length} arguments`);
      }
      names.forEach((name, i) => {
        const value = values[i];
        this.#store(name, value === undefined ? MISSING : value, inner);
      });
      names.forEach((name, i) => {
        if (values[i] !== undefined) return;
        const fallback = hasDefault(i)
          ? this.#value(defaults[i - params.length + defaults.length], inner)
          : new Undefined(`the parameter "${name}" was not given`);
        this.#store(name, fallback, inner);
      });
      this.#run(body, inner);
      return inner.out.join("");
    };
    return new Callable(invoke, {
      name,
      arguments: new Tuple(names),
      catch_kwargs: special("kwargs"),
      catch_varargs: special("varargs"),
      caller: used.has("caller"),
    });
  }

  #arguments(
    { args, named, more, moreNamed }: Arguments,
    frame: Frame,
  ): { args: Value[]; named: Map<string, Value> } {
    const values = args.map((arg) => this.#value(arg, frame));
    if (more !== null) values.push(...iterate(this.#value(more, frame)));
    const byName = new Map<string, Value>();
    const give = (key: string, value: Value): void => {
      if (byName.has(key)) {
        throw new JinjaError(`the argument "${key}" is given twice`);
      }
      byName.set(key, value);
    };
    for (const { key, value } of named) give(key, this.#value(value, frame));
    if (moreNamed !== null) {
      const dict = this.#value(moreNamed, frame);
      if (!(dict instanceof Dict)) throw new JinjaError('"**" takes a dict');
      for (const [key, value] of dict.entries()) {
        if (typeof key !== "string") {
          throw new JinjaError("names of arguments are texts");
        }
        give(key, value);
      }
    }
    return { args: values, named: byName };
  }

  /** The value of an expression; a filter without a value takes a block's text. */
  #value(expr: Expr, frame: Frame, block: string = ""): Value {
    step();
    const value = (expr: Expr): Value => this.#value(expr, frame, block);
    switch (expr.type) {
      case "const":
        return expr.value;
      case "name":
        return this.#load(expr.name, frame);
      case "list":
        return expr.items.map(value);
      case "tuple":
        return new Tuple(expr.items.map(value));
      case "dict":
        return new Dict(
          expr.items.map(({ key, value: item }) => [value(key), value(item)]),
        );
      case "unary":
        return expr.op === "not"
          ? !isTrue(value(expr.value))
          : negate(expr.op, value(expr.value));
      case "binary": {
        const left = value(expr.left);
        if (expr.op === "and") return isTrue(left) ? value(expr.right) : left;
        if (expr.op === "or") return isTrue(left) ? left : value(expr.right);
        return operate(expr.op, left, value(expr.right));
      }
      case "concat":
        return concatenate(expr.items.map(value));
      case "compare": {
        let left = value(expr.first);
        for (const { op, value: next } of expr.rest) {
          const right = value(next);
          if (!holds(op, left, right)) return false;
          left = right;
        }
        return true;
      }
      case "choice":
        if (isTrue(value(expr.test))) return value(expr.yes);
        return expr.no === null
          ? new Undefined("a condition without else is false")
          : value(expr.no);
      case "attribute":
        return getAttribute(value(expr.object), expr.name);
      case "item":
        return getItem(value(expr.object), value(expr.index));
      case "slice":
        return sliceOf(
          value(expr.object),
          expr.bounds.map((bound) => bound && value(bound)),
        );
      case "call": {
        const callee = value(expr.callee);
        const { args, named } = this.#arguments(expr, frame);
        return call(callee, args, named);
      }
      case "filter": {
        const input = expr.value === null ? block : value(expr.value);
        const { args, named } = this.#arguments(expr, frame);
        return filter(expr.name, input, args, named);
      }
      case "test": {
        const tested = value(expr.value);
        const { args, named } = this.#arguments(expr, frame);
        return test(expr.name, tested, args, named);
      }
      case "field":
        throw new JinjaError("a field stands where it cannot");
    }
  }
}

function call(callee: Value, args: readonly Value[], named: Named): Value {
  if (callee instanceof Undefined) throw new JinjaError(callee.message);
  const target = callee instanceof Loop
    ? callee.attribute("__call__")!
    : callee;
  if (!(target instanceof Callable)) {
    throw new JinjaError(`a value of type ${typeOf(callee)} cannot be called`);
  }
  return target.call(args, named);
}

/** The target of a loop, whose names belong to the loop. */
function asParameter(target: Expr): Expr {
  if (target.type === "name") return { ...target, use: "param" };
  const { items } = target as Extract<Expr, { type: "tuple" }>;
  return { type: "tuple", items: items.map(asParameter) };
}
