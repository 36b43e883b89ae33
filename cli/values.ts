/**
 * Parses the values of options. An invalid value gives an error that says what
 * the value must be.
 */

/** Checks that a name is not empty. */
export function text(name: string, value: string): string {
  if (value === "") throw wrong(name, "a name", value);
  return value;
}

/** Reads a number ≥ 0. */
export function number(name: string, value: string): number {
  const x = value.trim() === "" ? NaN : Number(value);
  if (!(x >= 0 && x < Infinity)) throw wrong(name, "a number >= 0", value);
  return x;
}

/**
 * Reads an integer.
 *
 * @param alternative other values that the option accepts, as in " or a file"
 */
export function integer(
  name: string,
  value: string,
  least: number,
  alternative: string = "",
): number {
  const x = Number(value);
  if (
    value.trim() === "" || !Number.isSafeInteger(x) || x < least || x >= 2 ** 31
  ) {
    throw wrong(name, `an integer >= ${least}${alternative}`, value);
  }
  return x;
}

/** Checks that a value is one of some words. */
export function oneOf<T extends string>(
  name: string,
  value: string,
  words: readonly T[],
): T {
  const word = words.find((word) => word === value);
  if (word === undefined) {
    throw wrong(name, `one of ${words.join(", ")}`, value);
  }
  return word;
}

/** The error for a value that is not as required. */
export function wrong(
  name: string,
  requirement: string,
  value: string,
): RangeError {
  return new RangeError(
    `Cannot use --${name} as it must be ${requirement}: current value is "${value}"`,
  );
}
