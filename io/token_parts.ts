// Common to all parts of a tokenizer.json: each is an object with a type, and many
// have a pattern.

import { ReplaceNormalizer } from "@huggingface/tokenizers";

/** A part of a tokenizer.json. */
export interface Description {
  /** The kind of part. */
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * Looks a part up by its type.
 *
 * @param field The part's name in the file.
 * @param table An entry for each known type.
 * @param part The parsed content.
 * @throws {TypeError} If the type is missing or not in the table.
 */
export function oneOfTypes<T>(
  field: string,
  table: Readonly<Record<string, T>>,
  part: Description,
): T {
  const type = part?.type;
  if (typeof type !== "string" || !Object.hasOwn(table, type)) {
    throw new TypeError(
      `the type of "${field}" must be Sequence, ${
        Object.keys(table).join(", ")
      }: current value is ${JSON.stringify(type)}`,
    );
  }
  return table[type];
}

/** A value that a part must have. */
function required<T>(
  part: Description,
  field: string,
  { kind, is }: { kind: string; is: (value: unknown) => value is T },
): T {
  const value = part[field];
  if (!is(value)) {
    throw new TypeError(
      `"${field}" of ${part.type} must be ${kind}: current value is ${
        JSON.stringify(value)
      }`,
    );
  }
  return value;
}

/** A text that a part must have. */
export function requiredText(part: Description, field: string): string {
  return required(part, field, {
    kind: "a text",
    is: (value) => typeof value === "string",
  });
}

/** A count that a part must have. */
export function requiredCount(part: Description, field: string): number {
  return required(part, field, {
    kind: "an integer >= 0",
    is: (value): value is number =>
      Number.isInteger(value) && (value as number) >= 0,
  });
}

/** The parts that a Sequence consists of. */
export function requiredParts(
  part: Description,
  field: string,
): readonly Description[] {
  return required(part, field, {
    kind: "a list of parts",
    is: (value): value is Description[] =>
      Array.isArray(value) &&
      value.every((entry) => typeof entry?.type === "string"),
  });
}

/**
 * Compiles a pattern to a global regular expression. A pattern is an object with a
 * `String`, or with a `Regex` in Oniguruma's syntax, which the npm package
 * translates.
 *
 * @throws {TypeError} If the pattern is neither.
 */
export function compilePattern(pattern: unknown): RegExp {
  const { String: text, Regex: regex } = (pattern ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (typeof text !== "string" && typeof regex !== "string") {
    throw new TypeError(
      `a "pattern" must have a String or a Regex: current value is ${
        JSON.stringify(pattern)
      }`,
    );
  }
  const { pattern: compiled } = new ReplaceNormalizer({
    type: "Replace",
    pattern: typeof regex === "string"
      ? { Regex: regex }
      : { String: text as string },
    content: "",
  });
  return compiled!;
}
