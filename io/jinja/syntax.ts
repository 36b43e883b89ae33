// The parser of Jinja 3.1: from a template's tokens to its statements, with break,
// continue and the generation tag of transformers. The grammar and its oddities
// are those of Jinja's parser.py.

import { JinjaError, type Token, tokenize, unsupported } from "./lexer.ts";
import {
  type Arguments,
  asTarget,
  type Branch,
  checkTarget,
  eachName,
  type Expr,
  type FilterExpr,
  type Routine,
  type Statement,
} from "./nodes.ts";

/**
 * Reads a template.
 *
 * @throws {JinjaError} If it is no template.
 */
export function parseJinja(text: string): Statement[] {
  return new Parser(tokenize(text)).parse();
}

const NO_ARGUMENTS: Arguments = {
  args: [],
  named: [],
  more: null,
  moreNamed: null,
};

const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="];

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  /** Depth of loops around the current statement, within one routine. */
  #loops = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Statement[] {
    const body = this.#body([]);
    if (this.#token.kind !== "end") throw this.#unexpected();
    return body;
  }

  get #token(): Token {
    return this.#tokens[this.#at];
  }

  #is(kind: Token["kind"], ...texts: string[]): boolean {
    const token = this.#token;
    return token.kind === kind &&
      (texts.length === 0 || texts.includes(token.text));
  }

  #skip(kind: Token["kind"], text: string): boolean {
    if (!this.#is(kind, text)) return false;
    this.#at++;
    return true;
  }

  #expect(kind: Token["kind"], text?: string): Token {
    const token = this.#token;
    if (!(text === undefined ? this.#is(kind) : this.#is(kind, text))) {
      throw this.#unexpected(text ?? `a ${kind}`);
    }
    this.#at++;
    return token;
  }

  #unexpected(wanted?: string): JinjaError {
    const found = JSON.stringify(this.#token.text);
    return new JinjaError(
      wanted === undefined
        ? `${found} stands where it cannot`
        : `${found} stands where ${JSON.stringify(wanted)} must`,
    );
  }

  /** Statements up to a tag that ends them; the tag is not read. */
  #body(ends: readonly string[]): Statement[] {
    const statements: Statement[] = [];
    let items: (string | Expr)[] = [];
    const flush = (): void => {
      if (items.length > 0) statements.push({ type: "output", items });
      items = [];
    };
    while (!this.#is("end")) {
      const token = this.#token;
      this.#at++;
      if (token.kind === "data") {
        items.push(token.text);
      } else if (token.text === "{{") {
        items.push(this.#tuple());
        this.#expect("close");
      } else {
        flush();
        if (this.#is("name", ...ends) && ends.length > 0) return statements;
        statements.push(...this.#statement());
        this.#expect("close");
      }
    }
    flush();
    if (ends.length > 0) throw this.#unexpected(ends.join(" or "));
    return statements;
  }

  /** The rest of an opening tag, the body, and the name of the closing tag. */
  #block(...ends: string[]): Statement[] {
    this.#skip("operator", ":");
    this.#expect("close");
    return this.#body(ends);
  }

  /** The same; the closing tag is read too. */
  #closed(end: string): Statement[] {
    const body = this.#block(end);
    this.#at++;
    return body;
  }

  /** The body of a function: it cannot break the loops around it. */
  #routine(end: string): Statement[] {
    const loops = this.#loops;
    this.#loops = 0;
    const body = this.#closed(end);
    this.#loops = loops;
    return body;
  }

  #statement(): Statement[] {
    const { text } = this.#expect("name");
    switch (text) {
      case "if":
        return [this.#if()];
      case "for":
        return [this.#for()];
      case "set":
        return [this.#set()];
      case "with":
        return [this.#with()];
      case "macro": {
        const { text: name } = this.#expect("name");
        checkTarget({ type: "name", name, use: "store" });
        const signature = this.#signature();
        return [{
          type: "macro",
          name,
          ...signature,
          body: this.#routine("endmacro"),
        }];
      }
      case "call": {
        const signature = this.#is("operator", "(")
          ? this.#signature()
          : { params: [], defaults: [] };
        const call = this.#expression();
        if (call.type !== "call") {
          throw new JinjaError("a call block must call something");
        }
        const body = this.#routine("endcall");
        return [{ type: "callBlock", call, ...signature, body }];
      }
      case "generation": {
        const body = this.#routine("endgeneration");
        return [{ type: "generation", params: [], defaults: [], body }];
      }
      case "filter": {
        const filter = this.#filters(null, true) as FilterExpr;
        return [{
          type: "filterBlock",
          body: this.#closed("endfilter"),
          filter,
        }];
      }
      case "print": {
        const items: Expr[] = [];
        while (!this.#is("close")) {
          if (items.length > 0) this.#expect("operator", ",");
          items.push(this.#expression());
        }
        return [{ type: "output", items }];
      }
      case "break":
      case "continue":
        if (this.#loops === 0) {
          throw new JinjaError(`"${text}" stands outside of a loop`);
        }
        return [{ type: text }];
      case "block":
      case "extends":
      case "include":
      case "import":
      case "from":
      case "autoescape":
        throw unsupported(`the tag "${text}"`);
      default:
        throw new JinjaError(`it has an unknown tag "${text}"`);
    }
  }

  #if(): Statement {
    const branches: Branch[] = [];
    while (true) {
      const test = this.#tuple({ withChoice: false });
      branches.push({ test, body: this.#block("elif", "else", "endif") });
      const { text } = this.#expect("name");
      if (text === "elif") continue;
      const otherwise = text === "else" ? this.#closed("endif") : [];
      return { type: "if", branches, otherwise };
    }
  }

  #for(): Statement {
    const target = this.#target({ end: "in" });
    this.#expect("name", "in");
    const iter = this.#tuple({ withChoice: false, end: "recursive" });
    const test = this.#skip("name", "if") ? this.#expression() : null;
    const recursive = this.#skip("name", "recursive");
    this.#loops++;
    const body = this.#block("endfor", "else");
    this.#loops--;
    const { text } = this.#expect("name");
    const otherwise = text === "else" ? this.#closed("endfor") : [];
    eachName([target, iter, body, otherwise, test], ({ name, use }) => {
      if (name === "loop" && use === "store") {
        throw new JinjaError('a loop cannot set the variable "loop"');
      }
    });
    return { type: "for", target, iter, body, otherwise, test, recursive };
  }

  #set(): Statement {
    const target = this.#target({ withFields: true });
    if (this.#skip("operator", "=")) {
      return { type: "set", target, value: this.#tuple() };
    }
    const filter = this.#filters(null);
    return { type: "capture", target, filter, body: this.#closed("endset") };
  }

  #with(): Statement {
    const targets: Expr[] = [];
    const values: Expr[] = [];
    while (!this.#is("close")) {
      if (targets.length > 0) this.#expect("operator", ",");
      targets.push(asTarget(this.#target({}), "param"));
      this.#expect("operator", "=");
      values.push(this.#expression());
    }
    const body = this.#closed("endwith");
    return { type: "with", targets, values, body };
  }

  #signature(): { params: Routine["params"]; defaults: Expr[] } {
    const params: Routine["params"] = [];
    const defaults: Expr[] = [];
    this.#expect("operator", "(");
    while (!this.#is("operator", ")")) {
      if (params.length > 0) this.#expect("operator", ",");
      const { text: name } = this.#expect("name");
      const param = { type: "name", name, use: "param" } as const;
      checkTarget(param);
      if (this.#skip("operator", "=")) defaults.push(this.#expression());
      else if (defaults.length > 0) {
        throw new JinjaError(`the parameter "${name}" must have a default`);
      }
      params.push(param);
    }
    this.#expect("operator", ")");
    return { params, defaults };
  }

  #target(options: { end?: string; withFields?: boolean }): Expr {
    const target = this.#tuple({ ...options, isTarget: true });
    checkTarget(target);
    return asTarget(target, "store");
  }

  /** One expression, or a tuple of several with commas between them. */
  #tuple(
    { isTarget, withFields, withChoice = true, end, inParentheses }: {
      isTarget?: boolean;
      withFields?: boolean;
      withChoice?: boolean;
      end?: string;
      inParentheses?: boolean;
    } = {},
  ): Expr {
    const items: Expr[] = [];
    let isTuple = false;
    while (true) {
      if (items.length > 0) this.#expect("operator", ",");
      const ends = this.#is("close") || this.#is("operator", ")") ||
        (end !== undefined && this.#is("name", end));
      if (ends) break;
      items.push(
        isTarget
          ? this.#primary(withFields)
          : withChoice
          ? this.#expression()
          : this.#or(),
      );
      if (!this.#is("operator", ",")) break;
      isTuple = true;
    }
    if (isTuple) return { type: "tuple", items };
    if (items.length > 0) return items[0];
    if (!inParentheses) throw this.#unexpected();
    return { type: "tuple", items };
  }

  #expression(): Expr {
    let yes = this.#or();
    while (this.#skip("name", "if")) {
      const test = this.#or();
      const no = this.#skip("name", "else") ? this.#expression() : null;
      yes = { type: "choice", test, yes, no };
    }
    return yes;
  }

  #or(): Expr {
    let left = this.#and();
    while (this.#skip("name", "or")) {
      left = { type: "binary", op: "or", left, right: this.#and() };
    }
    return left;
  }

  #and(): Expr {
    let left = this.#not();
    while (this.#skip("name", "and")) {
      left = { type: "binary", op: "and", left, right: this.#not() };
    }
    return left;
  }

  #not(): Expr {
    if (!this.#skip("name", "not")) return this.#compare();
    return { type: "unary", op: "not", value: this.#not() };
  }

  #compare(): Expr {
    const first = this.#sum();
    const rest: { op: string; value: Expr }[] = [];
    while (true) {
      const { text } = this.#token;
      const next = this.#tokens[this.#at + 1];
      if (this.#is("operator", ...COMPARISONS) || this.#is("name", "in")) {
        this.#at++;
        rest.push({ op: text, value: this.#sum() });
      } else if (
        this.#is("name", "not") && next.kind === "name" && next.text === "in"
      ) {
        this.#at += 2;
        rest.push({ op: "not in", value: this.#sum() });
      } else break;
    }
    return rest.length === 0 ? first : { type: "compare", first, rest };
  }

  #sum(): Expr {
    return this.#binary(["+", "-"], () => this.#concat());
  }

  #concat(): Expr {
    const items = [this.#product()];
    while (this.#skip("operator", "~")) items.push(this.#product());
    return items.length === 1 ? items[0] : { type: "concat", items };
  }

  #product(): Expr {
    return this.#binary(
      ["*", "/", "//", "%"],
      () => this.#binary(["**"], () => this.#unary(true)),
    );
  }

  #binary(ops: readonly string[], operand: () => Expr): Expr {
    let left = operand();
    while (this.#is("operator", ...ops)) {
      const op = this.#token.text;
      this.#at++;
      left = { type: "binary", op, left, right: operand() };
    }
    return left;
  }

  #unary(withFilter: boolean): Expr {
    let node: Expr;
    if (this.#is("operator", "-", "+")) {
      const op = this.#token.text;
      this.#at++;
      node = { type: "unary", op, value: this.#unary(false) };
    } else node = this.#primary();
    node = this.#postfix(node);
    return withFilter ? this.#filtered(node) : node;
  }

  #primary(withFields: boolean = false): Expr {
    const { kind, text, value } = this.#token;
    if (kind === "operator") {
      if (text === "[") return this.#list();
      if (text === "{") return this.#dict();
      if (text !== "(") throw this.#unexpected();
      this.#at++;
      const inner = this.#tuple({ inParentheses: true });
      this.#expect("operator", ")");
      return inner;
    }
    if (kind === "close" || kind === "end") throw this.#unexpected();
    this.#at++;
    if (kind === "number") return { type: "const", value: value! };
    if (kind === "string") {
      let whole = text;
      while (this.#is("string")) {
        whole += this.#token.text;
        this.#at++;
      }
      return { type: "const", value: whole };
    }
    if (/^(?:[tT]rue|[fF]alse)$/.test(text)) {
      return { type: "const", value: /^t/i.test(text) };
    }
    if (/^[nN]one$/.test(text)) return { type: "const", value: null };
    if (withFields && this.#skip("operator", ".")) {
      return { type: "field", name: text, field: this.#expect("name").text };
    }
    return { type: "name", name: text, use: "load" };
  }

  #list(): Expr {
    const items: Expr[] = [];
    this.#expect("operator", "[");
    while (!this.#is("operator", "]")) {
      if (items.length > 0) this.#expect("operator", ",");
      if (this.#is("operator", "]")) break;
      items.push(this.#expression());
    }
    this.#expect("operator", "]");
    return { type: "list", items };
  }

  #dict(): Expr {
    const items: { key: Expr; value: Expr }[] = [];
    this.#expect("operator", "{");
    while (!this.#is("operator", "}")) {
      if (items.length > 0) this.#expect("operator", ",");
      if (this.#is("operator", "}")) break;
      const key = this.#expression();
      this.#expect("operator", ":");
      items.push({ key, value: this.#expression() });
    }
    this.#expect("operator", "}");
    return { type: "dict", items };
  }

  #postfix(start: Expr): Expr {
    let node = start;
    while (true) {
      if (this.#is("operator", "(")) {
        node = { type: "call", callee: node, ...this.#arguments() };
      } else if (this.#skip("operator", ".")) node = this.#attribute(node);
      else if (this.#skip("operator", "[")) node = this.#subscript(node);
      else return node;
    }
  }

  #attribute(object: Expr): Expr {
    const { kind, text, value } = this.#token;
    this.#at++;
    if (kind === "name") return { type: "attribute", object, name: text };
    if (typeof value !== "bigint") {
      this.#at--;
      throw this.#unexpected();
    }
    return { type: "item", object, index: { type: "const", value } };
  }

  #subscript(object: Expr): Expr {
    const items: Expr[] = [];
    let bounds: (Expr | null)[] | null = null;
    while (!this.#is("operator", "]")) {
      if (items.length > 0 || bounds !== null) this.#expect("operator", ",");
      const start = this.#is("operator", ":") ? null : this.#expression();
      if (!this.#is("operator", ":")) items.push(start!);
      else bounds = [start, ...this.#bounds()];
    }
    this.#expect("operator", "]");
    if (bounds !== null) {
      if (items.length > 0) throw new JinjaError("a tuple holds a slice");
      return { type: "slice", object, bounds };
    }
    const index: Expr = items.length === 1
      ? items[0]
      : { type: "tuple", items };
    return { type: "item", object, index };
  }

  /** The end and the step of a slice. */
  #bounds(): (Expr | null)[] {
    const bound = (): Expr | null =>
      this.#is("operator", ":", "]", ",") ? null : this.#expression();
    this.#at++;
    const stop = bound();
    return [stop, this.#skip("operator", ":") ? bound() : null];
  }

  #arguments(): Arguments {
    const found: Arguments = { ...NO_ARGUMENTS, args: [], named: [] };
    const { args, named } = found;
    this.#expect("operator", "(");
    for (let first = true; !this.#is("operator", ")"); first = false) {
      if (!first) {
        this.#expect("operator", ",");
        if (this.#is("operator", ")")) break;
      }
      const next = this.#tokens[this.#at + 1];
      const isNamed = this.#is("name") && next.kind === "operator" &&
        next.text === "=";
      const late = found.moreNamed !== null ||
        (!isNamed && !this.#is("operator", "**") && found.more !== null);
      if (late) throw new JinjaError("arguments of a call are out of order");
      if (this.#skip("operator", "*")) found.more = this.#expression();
      else if (this.#skip("operator", "**")) {
        found.moreNamed = this.#expression();
      } else if (isNamed) {
        const key = this.#token.text;
        this.#at += 2;
        named.push({ key, value: this.#expression() });
      } else {
        if (named.length > 0) {
          throw new JinjaError("arguments of a call are out of order");
        }
        args.push(this.#expression());
      }
    }
    this.#expect("operator", ")");
    return found;
  }

  #filtered(start: Expr): Expr {
    let node = start;
    while (true) {
      if (this.#is("operator", "|")) node = this.#filters(node)!;
      else if (this.#skip("name", "is")) node = this.#test(node);
      else if (this.#is("operator", "(")) {
        node = { type: "call", callee: node, ...this.#arguments() };
      } else return node;
    }
  }

  #filters(start: Expr | null, startsInside = false): Expr | null {
    let value = start;
    for (let inside = startsInside;; inside = false) {
      if (!inside && !this.#skip("operator", "|")) return value;
      const name = this.#dotted();
      const args = this.#is("operator", "(") ? this.#arguments() : NO_ARGUMENTS;
      value = { type: "filter", value, name, ...args };
    }
  }

  #test(value: Expr): Expr {
    const negated = this.#skip("name", "not");
    const name = this.#dotted();
    let args = NO_ARGUMENTS;
    if (this.#is("operator", "(")) args = this.#arguments();
    else if (
      (this.#is("name") && !this.#is("name", "else", "or", "and")) ||
      this.#is("string") || this.#is("number") || this.#is("operator", "[", "{")
    ) {
      if (this.#is("name", "is")) throw this.#unexpected();
      args = { ...NO_ARGUMENTS, args: [this.#postfix(this.#primary())] };
    }
    const test: Expr = { type: "test", value, name, ...args };
    return negated ? { type: "unary", op: "not", value: test } : test;
  }

  #dotted(): string {
    let { text } = this.#expect("name");
    while (this.#skip("operator", ".")) {
      text += `.${this.#expect("name").text}`;
    }
    return text;
  }
}
