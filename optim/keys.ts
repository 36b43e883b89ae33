/**
 * Checks of keys: a misspelt option is an error, not silently the default.
 */

// This module is browser compatible.

/**
 * Refuses a record with an unknown key.
 *
 * @param action What cannot be done with it, such as "start an optimisation".
 * @param what What the keys are, such as "options".
 * @param record The record.
 * @param known The allowed keys.
 * @throws {TypeError} If there is another key; the message names the known one
 * that is spelt most like it.
 */
export function checkKeys(
  action: string,
  what: string,
  record: object,
  known: readonly string[],
): void {
  if (typeof record !== "object" || record === null) {
    throw new TypeError(
      `Cannot ${action} as its ${what} must be a record: current value is ${
        JSON.stringify(record)
      }`,
    );
  }
  const stray = Object.keys(record).find((key) => !known.includes(key));
  if (stray === undefined) return;
  const nearest = known.toSorted((a, b) =>
    editDistance(a, stray) - editDistance(b, stray)
  ).at(0);
  const allowed = nearest === undefined
    ? "absent"
    : `among [${known.join(", ")}]`;
  const hint = nearest === undefined ? "" : ` (did you mean "${nearest}"?)`;
  throw new TypeError(
    `Cannot ${action} as its ${what} must be ${allowed}: current value is "${stray}"${hint}`,
  );
}

/** Levenshtein distance, ignoring case. */
function editDistance(a: string, b: string): number {
  const [from, to] = [[...a.toLowerCase()], [...b.toLowerCase()]];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of from.entries()) {
    const next = [i + 1];
    for (const [j, other] of to.entries()) {
      next.push(
        Math.min(
          next[j] + 1,
          row[j + 1] + 1,
          row[j] + Number(letter !== other),
        ),
      );
    }
    row = next;
  }
  return row[to.length];
}
