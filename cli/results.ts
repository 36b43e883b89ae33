/**
 * The directory for results, and schedule.json.
 */

import { meanKeepingRate } from "../core/mod.ts";
import {
  SCHEDULE_FORMAT,
  sweepTemporaries,
  writeAtomically,
} from "../io/mod.ts";
import type { AccuracyDifference } from "../search/mod.ts";
import type { ComparedRun } from "../study/compare.ts";
import type { SearchOptions } from "./options.ts";

/**
 * Creates the directory for results, and checks that files can be written there
 * before hours are spent on them. Leftover files of a killed run are removed.
 *
 * @throws {Error} files cannot be written
 */
export async function prepareDirectory(out: string): Promise<void> {
  try {
    await Deno.mkdir(out, { recursive: true });
    const probe = `${out}/probe.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(probe, "", { createNew: true });
    await sweepTemporaries(out);
  } catch (error) {
    throw new Error(
      `Cannot write to ${out} as ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** A schedule, and the search that found it. */
export interface FoundSchedule {
  /** The model's name. */
  readonly model: string;
  /** The full model on the held-out questions. */
  readonly full: ComparedRun;
  /** The schedule that was found, on the same questions. */
  readonly reduced: ComparedRun;
  /** The difference in accuracy between the two, in points. */
  readonly difference: AccuracyDifference;
  /** The method and its options. */
  readonly search: { readonly method: string } & Record<string, unknown>;
}

/** The questions of a search, as the file states them. */
export function questionsOf(
  { data, calibration, seed }: SearchOptions,
  /**
   * The number of questions that were there, which may be fewer than requested.
   */
  samples: number,
): Record<string, unknown> {
  const asked = { calibration, seed, samples };
  return { ...data.files.length > 0 && { data }, ...asked };
}

/**
 * Writes the schedule and how it was found. The same search writes the same
 * file.
 */
export async function writeSchedule(
  path: string,
  { model, full, reduced, difference, search }: FoundSchedule,
): Promise<void> {
  const { visionTokens, keep } = reduced.schedule;
  const file = {
    format: SCHEDULE_FORMAT,
    model,
    visionTokens,
    keep,
    meanKeepingRate: meanKeepingRate(reduced.schedule),
    ranking: reduced.ranking,
    positions: reduced.positions,
    search,
    heldout: {
      samples: full.evaluation.total,
      fullAccuracy: full.accuracy,
      accuracy: reduced.accuracy,
      differenceInPoints: difference,
      decoderFlops: { full: full.flops, reduced: reduced.flops },
    },
  };
  await writeAtomically(path, JSON.stringify(file, null, 2) + "\n");
}
