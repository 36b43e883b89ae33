/** Rules of ranking and of position ids, at fixed keep counts. */

import { type Ranking, RANKINGS, type Schedule } from "../../core/mod.ts";
import { baselines } from "../../search/mod.ts";
import {
  formatAccuracy,
  formatAgainst,
  type Lab,
  scheduleCells,
  shapeOf,
} from "./lab.ts";
import { printTable, printText } from "./page.ts";

/** Mean keeping rate of the schedules that are compared. */
const RATE = .27;

/** P-Sigmoid's and FastV's counts at that rate. */
async function schedulesOf(
  lab: Lab,
): Promise<{ pSigmoid: Schedule; fastv: Schedule; pyramid: Schedule }> {
  const { contenders } = baselines({
    ...shapeOf(lab.study),
    firstLayer: 1,
    budget: { kind: "rate", limit: RATE },
  });
  const of = (wanted: string): Schedule =>
    contenders.find(({ method }) => method === wanted)!.schedule;
  return {
    pSigmoid: await lab.pSigmoid(RATE),
    fastv: of("fastv"),
    pyramid: of("pyramiddrop"),
  };
}

/** Prints the accuracy of each ranking rule. */
export async function compareRankings(lab: Lab): Promise<void> {
  const { pSigmoid, fastv } = await schedulesOf(lab);
  printText(
    `The same keep counts at mean keeping rate ${RATE}, P-Sigmoid's (${
      pSigmoid.keep.join(" ")
    }) and FastV's (${
      fastv.keep.join(" ")
    }), with vision tokens ranked by each rule.`,
    "The difference is from the rule `instruction`, the paper's, in points.",
  );
  printTable([
    ["ranking", "P-Sigmoid's counts", "difference", "FastV's", "difference"],
    ...await rankingRows(lab, [pSigmoid, fastv], RANKINGS),
  ]);
}

/**
 * A row for each ranking rule: its name, then its accuracy under every schedule
 * with the difference from the paper's rule.
 */
export async function rankingRows(
  { study: { judge, rules } }: Lab,
  schedules: readonly Schedule[],
  rankings: readonly Ranking[],
): Promise<string[][]> {
  const rows: string[][] = [];
  for (const ranking of rankings) {
    const row: string[] = [ranking];
    for (const schedule of schedules) {
      const run = await judge(ranking, schedule, { ...rules, ranking });
      const difference = ranking === rules.ranking
        ? ""
        : formatAgainst(run, await judge("own", schedule, rules));
      row.push(formatAccuracy(run), difference);
    }
    rows.push(row);
  }
  return rows;
}

/** Prints the loss of numbering kept tokens anew. */
export async function comparePositions(lab: Lab): Promise<void> {
  const { judge } = lab.study;
  const { pSigmoid, fastv, pyramid } = await schedulesOf(lab);
  printText(
    `Tokens that stay keep their position ids, or are numbered anew without gaps: the schedules of three methods at mean keeping rate ${RATE}, and G-Search's.`,
    "The difference is of the second from the first, in points.",
  );
  const cases = [
    ["P-Sigmoid", pSigmoid, "instruction"],
    ["FastV", fastv, "last"],
    ["PyramidDrop", pyramid, "next"],
    ["G-Search", (await lab.gSearch()).schedule, "instruction"],
  ] as const;
  const rows: string[][] = [];
  for (const [name, schedule, ranking] of cases) {
    const [original, reindexed] = [
      await judge(name, schedule, { ranking, positions: "original" }),
      await judge(name, schedule, { ranking, positions: "reindexed" }),
    ];
    rows.push([
      name,
      scheduleCells(schedule)[0],
      formatAccuracy(original),
      formatAccuracy(reindexed),
      formatAgainst(reindexed, original),
    ]);
  }
  printTable([
    ["method", "keeping", "original", "re-indexed", "difference"],
    ...rows,
  ]);
}
