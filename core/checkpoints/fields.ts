/**
 * Checked reading of parsed JSON: every error names the file, the field and
 * the value found.
 *
 * This module is browser compatible.
 */

/** No size in a model is above it. */
const MAX_INTEGER = 2 ** 31;

/**
 * The fields of one JSON object. A missing or null field takes its default. If it
 * has none, that is an error.
 */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #label: string;
  readonly #path: string;

  /**
   * Checks that there is an object to read from.
   *
   * @param json parsed JSON, to be an object
   * @param label the file, for error messages
   * @param path where in the file, such as "text_config."
   * @throws {TypeError} it is not an object
   */
  constructor(json: unknown, label: string, path: string = "") {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new TypeError(
        `Cannot read ${label} as ${
          path === "" ? "it" : path.slice(0, -1)
        } must be a JSON object: current value is ${show(json)}`,
      );
    }
    this.#values = json as Record<string, unknown>;
    this.#label = label;
    this.#path = path;
  }

  /** The error for a wrong field. */
  error(field: string, requirement: string, value: unknown): RangeError {
    return new RangeError(
      `Cannot read ${this.#label} as ${this.#path}${field} ${requirement}: current value is ${
        show(value)
      }`,
    );
  }

  /** Whether the field is there, and not null. */
  has(field: string): boolean {
    return (this.get(field) ?? null) !== null;
  }

  /** A nested object; empty where it is missing. */
  record(field: string): Fields {
    const value = this.get(field) ?? {};
    return new Fields(value, this.#label, `${this.#path}${field}.`);
  }

  /** An integer in [low, high]; required where the fallback is undefined. */
  integer(
    field: string,
    fallback: number | undefined,
    low: number = 1,
    high: number = MAX_INTEGER,
  ): number {
    const value = this.get(field) ?? fallback;
    if (
      !Number.isInteger(value) || value as number < low ||
      value as number > high
    ) {
      const isLimited = high !== MAX_INTEGER || Number(value) > high;
      const limit = isLimited ? `in [${low}, ${high}]` : `>= ${low}`;
      throw this.error(field, `must be an integer ${limit}`, value);
    }
    return value as number;
  }

  /** A positive integer divisible by n. */
  multipleOf(n: number, field: string, fallback: number): number {
    const value = this.integer(field, fallback);
    if (value % n !== 0) {
      throw this.error(field, `must be a multiple of ${n}`, value);
    }
    return value;
  }

  /** A side of a square: an integer, or its height and width. */
  side(field: string, fallback: number): number {
    const value = this.get(field);
    if (!Array.isArray(value)) return this.integer(field, fallback);
    const [height, width] = this.numbers(field, 2);
    if (height !== width || !Number.isInteger(height) || height < 1) {
      throw this.error(field, "must be an integer >= 1, or two equal", value);
    }
    return height;
  }

  /** A finite number above zero. */
  positive(field: string, fallback?: number): number {
    const value = this.get(field) ?? fallback;
    if (typeof value !== "number" || !(value > 0 && value < Infinity)) {
      throw this.error(field, "must be a positive number", value);
    }
    return value;
  }

  /** Exactly `length` finite numbers. */
  numbers(
    field: string,
    length: number,
    fallback?: readonly number[],
  ): number[] {
    const value = this.get(field) ?? fallback;
    if (
      !Array.isArray(value) || value.length !== length ||
      !value.every((x) => Number.isFinite(x))
    ) {
      throw this.error(field, `must be ${length} numbers`, value);
    }
    return [...value];
  }

  /** True or false. */
  boolean(field: string, fallback: boolean): boolean {
    const value = this.get(field) ?? fallback;
    if (typeof value !== "boolean") {
      throw this.error(field, "must be true or false", value);
    }
    return value;
  }

  /** The meaning of a word; the words are the keys of `meanings`. */
  oneOf<T>(
    field: string,
    meanings: Readonly<Record<string, T>>,
    fallback?: string,
  ): T {
    const value = this.get(field) ?? fallback;
    if (typeof value !== "string" || !Object.hasOwn(meanings, value)) {
      const words = Object.keys(meanings).map((word) => `"${word}"`).join(", ");
      throw this.error(field, `must be one of ${words}`, value);
    }
    return meanings[value];
  }

  /** The same for the first of a list of words. */
  firstOf<T>(field: string, meanings: Readonly<Record<string, T>>): T {
    const value = this.get(field);
    const first = Array.isArray(value) ? value[0] : value;
    return new Fields({ [field]: first }, this.#label, this.#path)
      .oneOf(field, meanings);
  }

  /** Unchecked, for a field of several forms; undefined for null as well. */
  get(field: string): unknown {
    const has = Object.hasOwn(this.#values, field);
    return has ? this.#values[field] ?? undefined : undefined;
  }
}

/** A value as in the file, shortened if it is long. */
function show(value: unknown): string {
  // JSON can say 1e999, but not Infinity.
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
