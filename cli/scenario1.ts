/**
 * Scenario I (docs/method.md, "G-Search"): the smallest schedule that G-Search
 * accepts as equal to the full model, beside controls with the same keep counts
 * and FastV.
 */

import { fastvSchedule, meanKeepingRate } from "../core/mod.ts";
import { formatSchedule } from "../report/mod.ts";
import { type ComparedRun, compareRuns } from "../study/compare.ts";
import { printComparison } from "./compare.ts";
import { printGenerated } from "./generated.ts";
import { runGSearch } from "./gsearch.ts";
import { questionsOf, writeSchedule } from "./results.ts";
import type { Setup } from "./setup.ts";

/** The result of Scenario I. */
export interface Scenario1 {
  /** The full model on the held-out questions. */
  readonly full: ComparedRun;
  /** The schedule that was found, on the same questions. */
  readonly reduced: ComparedRun;
  /** The number of schedules that were tried. */
  readonly trials: number;
  /** The names of the files that were written. */
  readonly files: readonly string[];
}

/** Runs Scenario I, prints its result, and writes schedule.json. */
export async function runScenario1(setup: Setup): Promise<Scenario1> {
  const { loaded, options, heldout, visionTokens, metric, judge, rules } =
    setup;
  const { output } = setup;
  const { model, name } = loaded;
  const { layers } = model.config.decoder;
  const { criterion, firstLayer } = options;
  const { schedule, trials } = await runGSearch(setup);
  output.say(
    `\nSchedule, mean keeping rate ${meanKeepingRate(schedule).toFixed(3)}:`,
  );
  output.draw(formatSchedule(schedule, output));

  const random = { ...rules, ranking: "random" } as const;
  const contenders = [
    setup.full,
    await judge("G-Search", schedule, rules),
    await judge("  ranked at random", schedule, random),
  ];
  const layer = 2;
  // In a model of two layers there is no layer that FastV would reduce.
  if (layer < layers) {
    const fastv = fastvSchedule({ layers, visionTokens, layer, keepRate: 0.5 });
    const last = { ranking: "last", positions: "original" } as const;
    contenders.push(
      await judge("FastV K=2 R=50 %", fastv, last),
      await judge("  ranked at random", fastv, { ...last, ranking: "random" }),
    );
  }
  const runs = await compareRuns(setup, contenders);
  printComparison(output, runs);
  if (metric) printGenerated(output, { metric, runs, heldout, loaded });

  const [full, reduced] = runs;
  await writeSchedule(`${options.out}/schedule.json`, {
    model: name,
    full,
    reduced,
    difference: reduced.difference,
    search: {
      ...{ method: "G-Search", criterion, firstLayer },
      ...questionsOf(options, setup.calibration.samples.length),
    },
  });
  return {
    ...{ full, reduced, trials: trials.length },
    files: ["schedule.json"],
  };
}
