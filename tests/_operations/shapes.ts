/** Random shapes for the tests of operations. */

import fc from "fast-check";

/** Sizes from 1 on, often 1. */
export function size(max: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constant(1),
    { weight: 3, arbitrary: fc.integer({ min: 1, max }) },
  );
}

/** B, S, D and a seed; D is often a multiple of four. */
export const SHAPE: fc.Arbitrary<[number, number, number, number]> = fc.tuple(
  size(4),
  size(12),
  fc.oneof(size(150), size(30).map((n) => 4 * n)),
  fc.nat(),
);

/** Tests a property of so many random values. */
export function check<T>(
  runs: number,
  values: fc.Arbitrary<T>,
  property: (value: T) => Promise<void>,
): Promise<void> {
  return fc.assert(fc.asyncProperty(values, property), { numRuns: runs });
}
