// Reads schedule.json, which search.ts writes.

import { Fields } from "../core/checkpoints/fields.ts";
import { isByAttention, type Ranking, RANKINGS } from "../core/ranking.ts";
import type { PositionRule } from "../core/reduce.ts";
import { fromKeepCounts, type Schedule } from "../core/schedule.ts";
import { readJson } from "./files.ts";

/** The value of the field `format` of a schedule.json. */
export const SCHEDULE_FORMAT = "tokensieve schedule 1";

/** A schedule with its rules. */
export interface ScheduleFile {
  /** How many vision tokens each layer keeps. */
  readonly schedule: Schedule;
  /** How vision tokens are ranked. */
  readonly ranking: Ranking;
  /** Which position ids kept tokens have. */
  readonly positions: PositionRule;
}

const POSITIONS = { original: "original", reindexed: "reindexed" } as const;

/**
 * Reads a schedule for a model. Programs in other languages need only its fields
 * `visionTokens` and `keep`.
 *
 * @param path The file.
 * @param layers L, decoder layers of the model.
 * @returns The schedule with its rules.
 * @throws {Error} If the file cannot be read.
 * @throws {SyntaxError} If it is not JSON.
 * @throws {RangeError} If it is not a schedule, or one for another depth.
 */
export async function readSchedule(
  path: string,
  layers: number,
): Promise<ScheduleFile> {
  const fields = new Fields(await readJson(path), path);
  fields.oneOf("format", { [SCHEDULE_FORMAT]: true });
  const visionTokens = fields.integer("visionTokens", undefined);
  const keep = fields.get("keep");
  if (!Array.isArray(keep) || keep.length !== layers) {
    throw fields.error(
      "keep",
      `must be ${layers} counts, one for each layer of the model`,
      keep,
    );
  }
  const rankings = Object.fromEntries(
    RANKINGS.map((ranking) => [ranking, ranking]),
  );
  let schedule: Schedule;
  try {
    schedule = fromKeepCounts(keep, visionTokens);
  } catch (error) {
    throw new RangeError(`Cannot use ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const ranking = fields.oneOf("ranking", rankings, "instruction");
  if (isByAttention(ranking) && keep[0] !== visionTokens) {
    throw fields.error(
      "keep",
      `must begin with all ${visionTokens} vision tokens, as layer 0 has no attention before it to rank by`,
      keep,
    );
  }
  return {
    schedule,
    ranking,
    positions: fields.oneOf("positions", POSITIONS, "original"),
  };
}
