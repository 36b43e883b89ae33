/**
 * `@std/text/levenshtein-distance` with its type, because its npm build has no
 * declarations.
 *
 * @module
 */

import * as std from "deno-std/text/levenshtein_distance.js";

/**
 * The number of letters to insert, delete or replace to turn one word into
 * another.
 */
export const levenshteinDistance: (a: string, b: string) => number =
  std.levenshteinDistance;
