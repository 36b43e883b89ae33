/**
 * Trials that outlive whatever ends a search: a kill, a full disk, a power cut, a
 * second search in the same folder.
 *
 * A store holds studies, one for each search that differs from others in its
 * model, its questions or its options; their trials with the result of each
 * sample; and evaluations, so that nothing is evaluated twice. It gives and takes
 * plain records, and knows nothing of the searches. `openStore()` keeps them in a
 * file of SQLite, in Deno and in Node from 22.13 on, which several processes may
 * share; whoever wants them elsewhere writes another {@linkcode TrialStore}.
 *
 * @example Go on with a search
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Evaluate, gSearch, type Trial } from "@tokensieve/tokensieve/search";
 * import { openStore } from "@tokensieve/tokensieve/store";
 *
 * const evaluate: Evaluate = ({ keep }) => {
 *   const correct = keep[1] >= 5 && keep[2] >= 3;
 *   const samples = [{ index: 0, correct, loss: correct ? 0.1 : 2 }];
 *   return Promise.resolve({ samples, total: 1 });
 * };
 * const criterion = { kind: "accuracy", epsilon: 0.5 } as const;
 * const space = { layers: 3, visionTokens: 8, firstLayer: 1 };
 *
 * const store = await openStore(":memory:", { program: "1.0" });
 * const study = await store.study<Trial>({
 *   model: "a hash of its weights",
 *   questions: "a hash of the calibration questions",
 *   search: "G-Search",
 *   options: { criterion, ...space },
 * });
 * const { recorded } = study; // trials of a run that was interrupted
 * const search = gSearch(evaluate, { ...space, criterion, recorded });
 * let step = await search.next();
 * while (!step.done) {
 *   await study.append(step.value);
 *   step = await search.next();
 * }
 * await study.release();
 * const [{ trials }] = await store.list();
 * assertEquals(step.value.trials.length, trials);
 * await store.close();
 * ```
 *
 * @module
 */

export { canonicalJson, hashOf } from "./identity.ts";
export { openStore, type StoreOptions } from "./sqlite_store.ts";
export * from "./store.ts";
export type { Evaluation, SampleResult } from "../search/evaluate.ts";
