// Cuts templates into tokens as Jinja's lexer.py does, with trim_blocks and
// lstrip_blocks, and holds the errors of this folder.

/** An error of a template, or a construct that is not supported. */
export class JinjaError extends Error {
  override name = "JinjaError";
}

/** The error for a construct of Jinja that this interpreter lacks. */
export function unsupported(what: string): JinjaError {
  return new JinjaError(`${what} is not supported`);
}

/** The whitespace of Python's `str.isspace`, for a character class. */
export const SPACE =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** A piece of a template. */
export interface Token {
  readonly kind:
    | "data"
    | "open"
    | "close"
    | "name"
    | "string"
    | "number"
    | "operator"
    | "end";
  readonly text: string;
  readonly value?: bigint | number;
}

const sticky = (source: string, flags = ""): RegExp =>
  new RegExp(source.replaceAll("\\s", `[${SPACE}]`), `y${flags}`);

const ROOT = sticky(
  "([^]*?)(?:\\{%([-+]?)\\s*raw\\s*(?:-%\\}\\s*|%\\})|(\\{%|\\{\\{|\\{#)([-+]?))",
);
const RAW = sticky(
  "([^]*?)\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)",
);
const COMMENT = sticky("[^]*?(?:\\+#\\}|-#\\}\\s*|#\\}\\n?)");
const CLOSE = {
  "{%": sticky("\\+%\\}|-%\\}\\s*|%\\}\\n?"),
  "{{": sticky("-\\}\\}\\s*|\\}\\}"),
};
const BLANK = sticky("\\s+");
const FLOAT = sticky(
  "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?e[+-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)",
  "i",
);
const INTEGER = sticky(
  "0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|[1-9](?:_?\\d)*|0(?:_?0)*",
  "i",
);
const NAME = sticky(
  "[\\p{L}\\p{Nl}_][\\p{L}\\p{Nl}\\p{Mn}\\p{Mc}\\p{Nd}\\p{Pc}]*",
  "u",
);
const STRING = sticky(
  "'[^'\\\\]*(?:\\\\[^][^'\\\\]*)*'|\"[^\"\\\\]*(?:\\\\[^][^\"\\\\]*)*\"",
);
const OPERATOR = sticky(
  "\\*\\*|//|==|!=|>=|<=|[-+/*%~[\\](){}<>=.:|,;]",
);
const BRACKETS: Readonly<Record<string, string>> = {
  "{": "}",
  "(": ")",
  "[": "]",
};

/** Cuts a template into tokens. */
export function tokenize(text: string): Token[] {
  const source = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  const tokens: Token[] = [];
  let at = 0;
  let lineStarts = true;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) {
      at = pattern.lastIndex;
      lineStarts = found[0].endsWith("\n");
    }
    return found;
  };
  const data = (text: string): void => {
    if (text !== "") tokens.push({ kind: "data", text });
  };
  const trimmed = (text: string, sign: string, atLineStart: boolean) => {
    if (sign === "-") return stripRight(text);
    const start = text.lastIndexOf("\n") + 1;
    const strips = sign === "" && (start > 0 || atLineStart) &&
      stripRight(text.slice(start)) === "";
    return strips ? text.slice(0, start) : text;
  };
  while (at < source.length) {
    const started = lineStarts;
    const found = match(ROOT);
    if (found === null) {
      data(source.slice(at));
      break;
    }
    const [, before, rawSign, open, sign] = found;
    if (open === undefined) {
      data(trimmed(before, rawSign, started));
      const startsRaw = lineStarts;
      const raw = match(RAW);
      // Jinja accepts an open block at the very end of a template.
      if (raw === null && at < source.length) {
        throw new JinjaError("a raw block has no end");
      }
      if (raw === null) break;
      data(trimmed(raw[1], raw[2], startsRaw));
      continue;
    }
    // Only the sign "-" counts before an expression.
    data(trimmed(before, open === "{{" ? sign || "+" : sign, started));
    if (open === "{#") {
      if (match(COMMENT) === null && at < source.length) {
        throw new JinjaError("a comment has no end");
      }
      continue;
    }
    tokens.push({ kind: "open", text: open });
    const expected: string[] = [];
    const close = CLOSE[open as keyof typeof CLOSE];
    while (true) {
      if (expected.length === 0 && match(close)) break;
      if (match(BLANK)) continue;
      const token = nextToken(match);
      if (token === null) {
        throw new JinjaError(
          at === source.length
            ? "it ends inside a tag"
            : `${JSON.stringify(source[at])} stands where it cannot`,
        );
      }
      if (token.kind === "operator") {
        if (token.text in BRACKETS) expected.push(BRACKETS[token.text]);
        else if (/[)\]}]/.test(token.text) && expected.pop() !== token.text) {
          throw new JinjaError(`"${token.text}" closes nothing`);
        }
      }
      tokens.push(token);
    }
    tokens.push({ kind: "close", text: open === "{{" ? "}}" : "%}" });
  }
  return [...tokens, { kind: "end", text: "the end" }];
}

function nextToken(
  match: (pattern: RegExp) => RegExpExecArray | null,
): Token | null {
  const digits = (found: RegExpExecArray): string =>
    found[0].replaceAll("_", "");
  let found = match(FLOAT);
  if (found) {
    const value = Number(digits(found));
    if (value === Infinity) throw unsupported(`the number ${found[0]}`);
    return { kind: "number", text: found[0], value };
  }
  found = match(INTEGER);
  if (found) {
    const value = BigInt(digits(found).toLowerCase());
    return { kind: "number", text: found[0], value };
  }
  found = match(NAME);
  if (found) return { kind: "name", text: found[0] };
  found = match(STRING);
  if (found) {
    return { kind: "string", text: unescape(found[0].slice(1, -1)) };
  }
  found = match(OPERATOR);
  return found && { kind: "operator", text: found[0] };
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "a": "\x07",
  "b": "\b",
  "f": "\f",
  "n": "\n",
  "r": "\r",
  "t": "\t",
  "v": "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** Resolves the escapes of Python's strings; others keep their backslash. */
function unescape(text: string): string {
  return text.replace(
    /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([^]))/g,
    (whole, octal, x, u, long, letter: string) => {
      if (letter !== undefined) {
        if (letter in ESCAPES) return ESCAPES[letter];
        if (/[xuU]/.test(letter)) throw new JinjaError(`"${whole}" is cut`);
        if (letter === "N" || letter > "\x7f") {
          throw unsupported(`the escape "${whole}"`);
        }
        return whole;
      }
      const code = octal ? parseInt(octal, 8) : parseInt(x ?? u ?? long, 16);
      if ((code >= 0xd800 && code < 0xe000) || code > 0x10ffff) {
        throw unsupported(`the escape "${whole}"`);
      }
      return String.fromCodePoint(code);
    },
  );
}

const SPACES_AT_END = new RegExp(`[${SPACE}]+$`);

/** A text without the whitespace at its end. */
function stripRight(text: string): string {
  return text.replace(SPACES_AT_END, "");
}
