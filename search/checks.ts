/** What several searches check at their door. */

// This module is browser compatible.

/** The integers that are allowed, ends included. */
export interface IntegerRange {
  /** Least value. */
  readonly least: number;
  /** Largest value. */
  readonly most: number;
}

/**
 * Checks options that are integers.
 *
 * @param action What cannot be done otherwise, as in "start a search".
 * @param options The options by name, each with its value and range.
 * @throws {RangeError} If one is no integer in its range.
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
