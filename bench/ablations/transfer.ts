/** Whether a schedule searched on one model serves another of equal depth. */

import type { Schedule } from "../../core/mod.ts";
import {
  formatAccuracy,
  formatAgainst,
  type Lab,
  scheduleCells,
} from "./lab.ts";
import { printTable, printText } from "./page.ts";

/** Mean keeping rate of P-Sigmoid's schedules. */
const RATE = .27;

/** Prints both directions, for both searches. */
export async function compareTransfer(lab: Lab, other: Lab): Promise<void> {
  const names = new Map([[lab, lab.study.loaded.name], [other, "the other"]]);
  printText(
    "models/tiny and another model of its depth, trained from another seed: each under the schedule that was searched on itself and under the one that was searched on the other.",
    "The difference is of the second from the first, in points.",
  );
  const searches: [string, (lab: Lab) => Promise<Schedule>][] = [
    ["G-Search", async (lab) => (await lab.gSearch()).schedule],
    [`P-Sigmoid at ${RATE}`, (lab) => lab.pSigmoid(RATE)],
  ];
  const rows: string[][] = [];
  for (const [method, search] of searches) {
    for (const [to, from] of [[lab, other], [other, lab]]) {
      const { judge, full, rules } = to.study;
      const own = await judge(method, await search(to), rules);
      const foreign = await judge(method, await search(from), rules);
      rows.push([
        `${method}, ${names.get(from)} to ${names.get(to)}`,
        formatAccuracy(full),
        `${formatAccuracy(own)} at ${scheduleCells(own.schedule)[0]}`,
        `${formatAccuracy(foreign)} at ${scheduleCells(foreign.schedule)[0]}`,
        formatAgainst(foreign, own),
      ]);
    }
  }
  printTable([
    ["search", "full model", "own schedule", "foreign schedule", "difference"],
    ...rows,
  ]);
}
