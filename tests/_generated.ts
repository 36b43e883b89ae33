// What models say, greedily: the runs of fixtures/generated_runs.py, which stand
// in generated.json and families/generated.json.

import { assertEquals } from "@std/assert";
import {
  type Context,
  type DecoderState,
  fromKeepCounts,
  generate,
  type GenerateOptions,
  type PositionRule,
  prefill,
  type Prompt,
  type Ranking,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { assertClose } from "./_compare.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

/** What a model says under a schedule, according to another implementation. */
export interface GeneratedRun {
  /** The schedule's name. */
  readonly label: string;
  /** Which prompt was asked. */
  readonly sample: number;
  /** Keep counts per layer. */
  readonly keep: readonly number[];
  readonly ranking: Ranking;
  readonly positions: PositionRule;
  /** What is generated. */
  readonly ids: readonly number[];
  /** After the last of them, shape [V]. */
  readonly logits: readonly number[];
  /** Where the model is given as many positions as this; else it has its own. */
  readonly maxPositions?: number;
}

/** All ids that are generated, and what comes after the last. */
export async function collect(
  model: VisionLanguageModel,
  start: Context,
  options: GenerateOptions,
): Promise<{ ids: number[]; context: Context }> {
  const ids: number[] = [];
  const steps = generate(model, start, options);
  while (true) {
    const step = await steps.next();
    if (step.done) return { ids, context: step.value };
    ids.push(step.value);
  }
}

/** Passes when a model says what the other implementation says. */
export async function assertGenerates(
  model: VisionLanguageModel,
  { state, prompt }: {
    /** The prompt as it enters layer 0. */
    readonly state: DecoderState;
    readonly prompt: Prompt;
  },
  { keep, ids, logits, ...reduction }: GeneratedRun,
): Promise<void> {
  const schedule = fromKeepCounts(keep, state.vision.length);
  const { ids: said, context } = await collect(
    model,
    prefill(model, state, schedule, reduction),
    { stopTokens: [], maxTokens: ids.length },
  );
  assertEquals(said, ids);
  assertClose(
    await model.backend.read(context.logits),
    logits,
    F32_TOLERANCES.logits,
    "logits after the last",
  );
  // Each layer holds what it kept, the words, and what was generated.
  const words = prompt.before.length + prompt.after.length + ids.length;
  assertEquals(
    context.past.map(({ keys }) => keys.shape[1]),
    keep.map((count) => words + count),
  );
}
