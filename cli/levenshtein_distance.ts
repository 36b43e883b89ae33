/**
 * `@std/text/levenshtein-distance` with its type: its npm build has no
 * declarations.
 *
 * @module
 */

import * as std from "deno-std/text/levenshtein_distance.js";

/** How many letters must be put in, left out or changed to make one word of another. */
export const levenshteinDistance: (a: string, b: string) => number =
  std.levenshteinDistance;
