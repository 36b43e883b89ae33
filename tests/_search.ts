/** Runs searches that are generators of trials. */

import { assertEquals, assertRejects } from "@std/assert";
import type { Evaluate } from "../search/evaluate.ts";
import { type Call, evaluateByRates, type RatesToy } from "./_rates.ts";

/** What a search yielded and returned. */
export interface Finished<Trial, Result> {
  /** Its trials. */
  readonly yielded: Trial[];
  /** Its result. */
  readonly result: Result;
}

/** Runs a search to its end. */
export async function finish<Trial, Result>(
  search: AsyncGenerator<Trial, Result, void>,
): Promise<Finished<Trial, Result>> {
  const yielded = [];
  let step = await search.next();
  for (; !step.done; step = await search.next()) yielded.push(step.value);
  return { yielded, result: step.value };
}

/** A search of some options, by whatever runs the model. */
export type SearchBy<Trial> = (
  evaluate: Evaluate,
  signal: AbortSignal,
) => AsyncGenerator<Trial, unknown, void>;

/**
 * Aborts a search during its third call, and checks that it ends there with the
 * signal's reason and that every call had the signal.
 *
 * @returns How many trials it yielded.
 */
export async function abortThirdCall<Trial>(
  searchBy: SearchBy<Trial>,
  toy: RatesToy,
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: Call[] = [];
  const evaluate: Evaluate = (schedule, options) => {
    if (calls.length === 2) controller.abort(new Error("enough"));
    return evaluateByRates({ ...toy, calls })(schedule, options);
  };
  let trials = 0;
  await assertRejects(
    async () => {
      for await (const _ of searchBy(evaluate, signal)) trials++;
    },
    Error,
    "enough",
  );
  assertEquals(calls.map(({ options }) => options.signal), [
    signal,
    signal,
    signal,
  ]);
  return trials;
}
