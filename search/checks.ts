/** Checks of options that several searches share. */

// This module is browser compatible.

/** Range of allowed integers, ends included. */
export interface IntegerRange {
  /** Least value. */
  readonly least: number;
  /** Largest value. */
  readonly most: number;
}

/**
 * Checks options that are integers.
 *
 * @param action The action that fails, for the error message, such as "start a
 * search".
 * @param options The options by name, each with its value and range.
 * @throws {RangeError} If an option is not an integer in its range.
 */
export function checkIntegers(
  action: string,
  options: Readonly<Record<string, IntegerRange & { readonly value: number }>>,
): void {
  for (const [name, { value, least, most }] of Object.entries(options)) {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(
        `Cannot ${action} as ${name} must be an integer in [${least}, ${most}]: current value is ${value}`,
      );
    }
  }
}
