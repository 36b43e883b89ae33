/**
 * Formats results as text for a terminal.
 *
 * @example A schedule as bars
 * ```ts
 * import { formatSchedule } from "@tokensieve/tokensieve/report";
 *
 * console.log(formatSchedule({ visionTokens: 8, keep: [8, 4, 1] }));
 * ```
 *
 * @module
 */

export * from "./terminal.ts";
export type { Schedule } from "../search/mod.ts";
