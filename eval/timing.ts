/**
 * Measured time of the decoder: prefill, and decoding per token. Schedules take
 * turns, so that other load of the machine affects all of them alike. Results are
 * medians.
 *
 * This module is browser compatible.
 */

import {
  contextTensors,
  type DecoderState,
  embedPrompts,
  embedTiles,
  extend,
  predictNextToken,
  prefill,
  type ReductionOptions,
  scaleSchedule,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";

/** A way to run the model. */
export interface TimedRun {
  /** Its keep counts; they are scaled to each image. */
  readonly schedule: Schedule;
  /** Its ranking and position rule. */
  readonly reduction: ReductionOptions;
}

/** How time is measured. */
export interface TimingOptions {
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now: () => number;
  /** Measurements of each run. Default 5. */
  readonly repeats?: number;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Times the decoder's prefill; vision tokens are computed before.
 *
 * @returns median milliseconds per sample (of two medians the larger), for
 *   each run
 */
export async function timePrefill(
  model: VisionLanguageModel,
  set: SampleSet,
  runs: readonly TimedRun[],
  { now, repeats = 5, signal }: TimingOptions,
): Promise<number[]> {
  const { backend } = model;
  const embedded = embedSamples(model, set);
  /** Prefills each sample by itself. */
  async function prefillAll({ schedule, reduction }: TimedRun): Promise<void> {
    for (const enter of embedded.samples) {
      signal?.throwIfAborted();
      const logits = backend.scope(() => {
        const state = enter(reduction);
        const scaled = scaleSchedule(schedule, state.vision.length);
        return predictNextToken(model, state, scaled, reduction);
      });
      await backend.read(logits);
      backend.free([logits]);
    }
  }

  // Warm-up, not counted.
  for (const run of runs) await prefillAll(run);
  const times = await mediansInTurns(runs, repeats, async (run) => {
    const start = now();
    await prefillAll(run);
    return (now() - start) / set.samples.length;
  });
  embedded.free();
  return times;
}

/** Tokens to decode after each prefill. */
const DECODED_TOKENS = 8;

/**
 * Times decoding: one token at a time, on the KV caches of a prefill under the
 * schedule. The prefill is not counted. Time does not depend on the tokens, so the
 * first token of the sample's answer is repeated.
 *
 * @returns median milliseconds per token (of two medians the larger), for each
 *   run
 */
export async function timeDecode(
  model: VisionLanguageModel,
  set: SampleSet,
  runs: readonly TimedRun[],
  { now, repeats = 5, signal }: TimingOptions,
): Promise<number[]> {
  const { backend } = model;
  const embedded = embedSamples(model, set);
  /** Milliseconds per token. */
  async function decode({ schedule, reduction }: TimedRun): Promise<number> {
    let sum = 0;
    for (const [i, enter] of embedded.samples.entries()) {
      signal?.throwIfAborted();
      let context = backend.scope(() => {
        const state = enter(reduction);
        const scaled = scaleSchedule(schedule, state.vision.length);
        return prefill(model, state, scaled, reduction);
      });
      // A GPU only records operations until something is read.
      await backend.read(context.logits);
      const start = now();
      for (let token = 0; token < DECODED_TOKENS; token++) {
        const ids = [set.samples[i].answer.slice(0, 1)];
        const longer = extend(model, context, ids).context;
        backend.free(contextTensors(context));
        context = longer;
        await backend.read(context.logits);
      }
      sum += now() - start;
      backend.free(contextTensors(context));
    }
    return sum / DECODED_TOKENS / set.samples.length;
  }

  for (const run of runs) await decode(run);
  const times = await mediansInTurns(runs, repeats, decode);
  embedded.free();
  return times;
}

/** Samples with their vision tokens, each ready for layer 0. */
interface EmbeddedSamples {
  readonly samples: readonly ((reduction: ReductionOptions) => DecoderState)[];
  readonly free: () => void;
}

function embedSamples(
  model: VisionLanguageModel,
  { images, samples }: SampleSet,
): EmbeddedSamples {
  const visionTokens = samples.map(({ image }) =>
    embedTiles(model, [images[image]])
  );
  return {
    samples: samples.map(({ prompt }, i) => ({ ranking }) => {
      const numbers = ranking === "random" ? [i] : undefined;
      return embedPrompts(model, visionTokens[i], [prompt], numbers);
    }),
    free: () => model.backend.free(visionTokens),
  };
}

/** Measures all runs in turns, and returns the median of each. */
async function mediansInTurns(
  runs: readonly TimedRun[],
  repeats: number,
  measure: (run: TimedRun) => Promise<number>,
): Promise<number[]> {
  const times: number[][] = runs.map(() => []);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [i, run] of runs.entries()) times[i].push(await measure(run));
  }
  return times.map((t) => t.sort((a, b) => a - b)[repeats >> 1]);
}
