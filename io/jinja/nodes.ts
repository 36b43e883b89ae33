// The statements and expressions of a template.

import { JinjaError } from "./lexer.ts";

/** An expression. The order of fields is the order in which names are found. */
export type Expr =
  | { type: "const"; value: null | boolean | bigint | number | string }
  | { type: "name"; name: string; use: "load" | "store" | "param" }
  | { type: "field"; name: string; field: string }
  | { type: "list"; items: Expr[] }
  | { type: "tuple"; items: Expr[] }
  | { type: "dict"; items: { key: Expr; value: Expr }[] }
  | { type: "unary"; op: string; value: Expr }
  | { type: "binary"; op: string; left: Expr; right: Expr }
  | { type: "concat"; items: Expr[] }
  | { type: "compare"; first: Expr; rest: { op: string; value: Expr }[] }
  | { type: "choice"; test: Expr; yes: Expr; no: Expr | null }
  | { type: "attribute"; object: Expr; name: string }
  | { type: "item"; object: Expr; index: Expr }
  | { type: "slice"; object: Expr; bounds: (Expr | null)[] }
  | ({ type: "call"; callee: Expr } & Arguments)
  | ({ type: "filter"; value: Expr | null; name: string } & Arguments)
  | ({ type: "test"; value: Expr; name: string } & Arguments);

/** The arguments of a call. */
export interface Arguments {
  args: Expr[];
  named: { key: string; value: Expr }[];
  /** The list of `*list`. */
  more: Expr | null;
  /** The dict of `**dict`. */
  moreNamed: Expr | null;
}

/** A call expression. */
export type CallExpr = Extract<Expr, { type: "call" }>;
/** A filter expression; without a value it filters a block's text. */
export type FilterExpr = Extract<Expr, { type: "filter" }>;

/** A parameter list and a body: of a macro, or of a call block. */
export interface Routine {
  params: Extract<Expr, { type: "name" }>[];
  defaults: Expr[];
  body: Statement[];
}

/** A statement. */
export type Statement =
  | { type: "output"; items: (string | Expr)[] }
  | { type: "set"; target: Expr; value: Expr }
  | { type: "capture"; target: Expr; filter: Expr | null; body: Statement[] }
  | {
    type: "for";
    target: Expr;
    iter: Expr;
    body: Statement[];
    otherwise: Statement[];
    test: Expr | null;
    recursive: boolean;
  }
  | { type: "if"; branches: Branch[]; otherwise: Statement[] }
  | { type: "with"; targets: Expr[]; values: Expr[]; body: Statement[] }
  | { type: "filterBlock"; body: Statement[]; filter: FilterExpr }
  | ({ type: "macro"; name: string } & Routine)
  | ({ type: "callBlock"; call: CallExpr } & Routine)
  | ({ type: "generation" } & Routine)
  | { type: "break" }
  | { type: "continue" };

/** One condition of an `if`, and what it guards. */
export interface Branch {
  test: Expr;
  body: Statement[];
}

/** Calls back for every name in a tree, in order, until told to stop. */
export function eachName(
  tree: unknown,
  visit: (name: Extract<Expr, { type: "name" }>) => void,
): void {
  if (typeof tree !== "object" || tree === null) return;
  if ((tree as { type?: unknown }).type === "name") {
    visit(tree as Extract<Expr, { type: "name" }>);
    return;
  }
  for (const child of Object.values(tree)) eachName(child, visit);
}

/** @throws {JinjaError} If a value cannot be assigned to it. */
export function checkTarget(target: Expr): void {
  if (target.type === "tuple") target.items.forEach(checkTarget);
  else if (target.type === "name") {
    if (/^(?:true|false|none|True|False|None)$/.test(target.name)) {
      throw new JinjaError(`nothing can be assigned to "${target.name}"`);
    }
  } else if (target.type !== "field") {
    throw new JinjaError(`nothing can be assigned to a ${target.type}`);
  }
}

/** The same target, its names marked as stored. */
export function asTarget(target: Expr, use: "store" | "param"): Expr {
  if (target.type === "name") return { ...target, use };
  if (target.type !== "tuple") return target;
  return { ...target, items: target.items.map((item) => asTarget(item, use)) };
}
