/** The one comparison of number arrays that every test uses. */

import { AssertionError } from "@std/assert";

/** How far apart two numbers may be: `absolute + relative · |expected|`. */
export interface Tolerance {
  /** In the unit of the numbers. Default 0. */
  readonly absolute?: number;
  /** Share of the expected magnitude. Default 0. */
  readonly relative?: number;
}

/**
 * Passes when every `actual[i]` is within tolerance of `expected[i]`. Equal
 * infinities agree and so do two NaNs; a NaN on one side never does.
 *
 * @param actual Values under test.
 * @param expected Reference values, as many.
 * @param tolerance Allowed difference; exact when empty.
 * @param label What is compared, the first words of the message.
 * @throws {AssertionError} Naming the worst index (the one furthest beyond its
 * own tolerance), both values, their difference and the tolerance there.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 0, relative = 0 }: Tolerance,
  label = "values",
): void {
  if (actual.length !== expected.length) {
    throw new AssertionError(
      `${label}: expected ${expected.length} values, got ${actual.length}`,
    );
  }
  let worst = -1;
  let worstExcess = 0;
  let wrong = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const allowed = absolute + relative * Math.abs(expected[i]);
    let excess = Math.abs(actual[i] - expected[i]) - allowed;
    if (Number.isNaN(excess)) excess = Infinity;
    if (excess <= 0) continue;
    wrong++;
    if (excess > worstExcess) {
      worst = i;
      worstExcess = excess;
    }
  }
  if (wrong === 0) return;
  throw new AssertionError(
    `${label}: ${wrong} of ${expected.length} values differ, worst at index ${worst}: ` +
      `actual ${actual[worst]}, expected ${expected[worst]}, ` +
      `difference ${Math.abs(actual[worst] - expected[worst])}, ` +
      `tolerance ${absolute + relative * Math.abs(expected[worst])}`,
  );
}
