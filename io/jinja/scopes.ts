// Resolves names to variables before a template runs, as Jinja's idtracking.py
// does. Each loop, macro and block has a level of its own. A name that is set on a
// level is another variable than the same name outside. A name that no level sets
// is a variable of the template.

import { eachName, type Expr, type Statement } from "./nodes.ts";

/** The value of a variable when its level is entered. */
export type Load =
  | { readonly from: "parameter" | "nothing" }
  | { readonly from: "template"; readonly name: string }
  | { readonly from: "variable"; readonly variable: string };

/** The names of one level. */
export class Scope {
  readonly #level: number;
  readonly #outer: Scope | null;
  #variables = new Map<string, string>();
  #stored = new Set<string>();
  #loads = new Map<string, Load>();

  constructor(outer: Scope | null = null) {
    this.#outer = outer;
    this.#level = outer === null ? 0 : outer.#level + 1;
  }

  /** The variable that a name means. */
  variable(name: string): string | undefined {
    return this.#variables.get(name) ?? this.#outer?.variable(name);
  }

  /** The values that the level begins with, in order. */
  get loads(): ReadonlyMap<string, Load> {
    return this.#loads;
  }

  /** A name whose value comes from outside. */
  declare(name: string): string {
    this.#stored.add(name);
    return this.#define(name, { from: "parameter" });
  }

  /** Finds the names of the level in statements, expressions and targets. */
  read(...trees: readonly unknown[]): this {
    for (const tree of trees) {
      eachName(tree, ({ name, use }) => {
        if (use === "param") this.declare(name);
        else if (use === "store") this.#store(name);
        else this.#load(name);
      });
      eachField(tree, (name) => this.#load(name));
    }
    return this;
  }

  /** The same for statements, without their inner levels. */
  readAll(statements: readonly Statement[]): this {
    for (const statement of statements) this.#readStatement(statement);
    return this;
  }

  #readStatement(statement: Statement): void {
    switch (statement.type) {
      case "output":
        this.read(statement.items);
        break;
      case "set":
        this.read(statement.value, statement.target);
        break;
      case "capture":
        this.read(statement.target);
        break;
      case "for":
        this.read(statement.iter);
        break;
      case "if":
        this.#readIf(statement);
        break;
      case "with":
        this.read(statement.values);
        break;
      case "filterBlock":
        this.read(statement.filter);
        break;
      case "macro":
        this.#store(statement.name);
        break;
      case "callBlock":
        this.read(statement.call);
        break;
    }
  }

  /**
   * A variable that only one branch sets keeps its outer value in the other
   * branches. Jinja reads the conditions after the first with their branches.
   */
  #readIf(
    { branches, otherwise }: Extract<Statement, { type: "if" }>,
  ): void {
    const [first, ...others] = branches;
    this.read(first.test);
    const body = this.#copy().readAll(first.body);
    const elseIfs = this.#copy();
    for (const { test, body } of others) {
      elseIfs.#readIf({
        type: "if",
        branches: [{ test, body }],
        otherwise: [],
      });
    }
    const parts = [body, elseIfs, this.#copy().readAll(otherwise)];
    const before = new Set(this.#stored);
    const stored = new Set<string>();
    for (const part of parts) {
      for (const [name, variable] of part.#variables) {
        this.#variables.set(name, variable);
      }
      for (const [variable, load] of part.#loads) {
        this.#loads.set(variable, load);
      }
      for (const name of part.#stored) {
        this.#stored.add(name);
        if (!before.has(name)) stored.add(name);
      }
    }
    for (const name of stored) {
      const outer = this.#outer?.variable(name);
      this.#loads.set(
        this.variable(name)!,
        outer === undefined
          ? { from: "template", name }
          : { from: "variable", variable: outer },
      );
    }
  }

  #copy(): Scope {
    const copy = new Scope(this.#outer);
    copy.#variables = new Map(this.#variables);
    copy.#stored = new Set(this.#stored);
    copy.#loads = new Map(this.#loads);
    return copy;
  }

  #define(name: string, load: Load): string {
    const variable = `${this.#level} ${name}`;
    this.#variables.set(name, variable);
    this.#loads.set(variable, load);
    return variable;
  }

  #store(name: string): void {
    this.#stored.add(name);
    if (this.#variables.has(name)) return;
    const outer = this.#outer?.variable(name);
    this.#define(
      name,
      outer === undefined
        ? { from: "nothing" }
        : { from: "variable", variable: outer },
    );
  }

  #load(name: string): void {
    if (this.variable(name) === undefined) {
      this.#define(name, { from: "template", name });
    }
  }
}

/** The names of namespaces whose fields are set in a tree. */
function eachField(tree: unknown, visit: (name: string) => void): void {
  if (typeof tree !== "object" || tree === null) return;
  const { type, name } = tree as Partial<Extract<Expr, { type: "field" }>>;
  if (type === "field") visit(name!);
  else for (const child of Object.values(tree)) eachField(child, visit);
}

/** The names, among those given, that a tree uses before it sets them. */
export function namesUsed(
  tree: unknown,
  names: readonly string[],
): ReadonlySet<string> {
  const open = new Set(names);
  const used = new Set<string>();
  eachName(tree, ({ name, use }) => {
    if (!open.has(name)) return;
    if (use === "load") used.add(name);
    else open.delete(name);
  });
  return used;
}
