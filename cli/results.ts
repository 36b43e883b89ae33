/**
 * Results for programs: schedule.json, and the last line of `--json`.
 */

import { meanKeepingRate } from "../core/mod.ts";
import { writeAtomically } from "../io/mod.ts";
import type { ComparedRun } from "./compare.ts";
import type { SearchOptions, SettledOptions } from "./options.ts";

/** A finished search. */
export interface SearchOutcome {
  /** The model's name. */
  readonly model: string;
  /** The backend's name. */
  readonly device: string;
  /** The full model on the held-out questions. */
  readonly full: ComparedRun;
  /** The schedule that was found, on the same questions. */
  readonly reduced: ComparedRun;
  /** How many schedules were tried. */
  readonly trials: number;
  /** Duration of the whole run. */
  readonly seconds: number;
}

/**
 * Makes the directory for results, and sure that files can be written there
 * before hours are spent on them.
 *
 * @throws {Error} they cannot
 */
export async function prepareDirectory(out: string): Promise<void> {
  try {
    await Deno.mkdir(out, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: out }));
  } catch (error) {
    throw new Error(
      `Cannot write to ${out} as ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Writes the schedule and how it came about; the same search, the same file. */
export async function writeSchedule(
  { model, full, reduced }: SearchOutcome,
  { criterion, firstLayer, ranking, calibration, data, seed, out }:
    SettledOptions,
): Promise<void> {
  const { visionTokens, keep } = reduced.schedule;
  const file = {
    format: "tokensieve schedule 1",
    model,
    visionTokens,
    keep,
    meanKeepingRate: meanKeepingRate(reduced.schedule),
    ranking,
    positions: "original",
    search: {
      ...{ method: "G-Search", criterion, firstLayer },
      ...data.files.length > 0 && { data },
      ...{ calibration, seed },
    },
    heldout: {
      samples: full.evaluation.total,
      fullAccuracy: full.accuracy,
      accuracy: reduced.accuracy,
      differenceInPoints: reduced.difference,
      decoderFlops: { full: full.flops, reduced: reduced.flops },
    },
  };
  await writeAtomically(
    `${out}/schedule.json`,
    JSON.stringify(file, null, 2) + "\n",
  );
}

/** The object that `--json` prints; ratios are full / reduced. */
export function toJson(
  { model, device, full, reduced, trials, seconds }: SearchOutcome,
  { seed }: SearchOptions,
): string {
  const samples = full.evaluation.total;
  const { difference, low, high } = reduced.difference;
  return JSON.stringify({
    model,
    device,
    seed,
    full: { accuracy: full.accuracy, samples },
    reduced: {
      accuracy: reduced.accuracy,
      samples,
      // of the paired difference from the full model, in points
      difference,
      interval: [low, high],
    },
    keep: reduced.schedule.keep,
    meanKeepingRate: meanKeepingRate(reduced.schedule),
    flopsRatio: full.flops / reduced.flops,
    timeRatio: full.milliseconds / reduced.milliseconds,
    trials,
    seconds,
  });
}
