/** Options that several benchmarks have. */

import type { Split } from "../eval/mod.ts";

/**
 * `--split`: settings are chosen on validation questions, so that the held-out
 * ones stay unseen.
 */
export function parseSplit(value: string): Split {
  if (value !== "heldout" && value !== "validation") {
    throw new RangeError(
      `Cannot use --split as it must be heldout or validation: current value is "${value}"`,
    );
  }
  return value;
}
