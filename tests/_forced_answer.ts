/**
 * What tests of forced answers share: two models, a schedule for each, and the
 * tests that every backend runs.
 */

import { assertEquals } from "@std/assert";
import {
  type Backend,
  type DecoderState,
  embedPrompts,
  embedTiles,
  extend,
  fromKeepCounts,
  predictNextToken,
  prefill,
  type Prompt,
  type Ranking,
  RANKINGS,
  type ReductionOptions,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "../eval/mod.ts";
import { assertClose } from "./_compare.ts";
import { loadFamilyFixture } from "./_families.ts";
import { loadLlavaFixture } from "./_llava.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { logits: TOLERANCE } = F32_TOLERANCES;

/** A model and two prompts about two images of it. */
export interface Scene {
  readonly model: VisionLanguageModel;
  readonly images: SampleSet["images"];
  readonly prompts: readonly Prompt[];
}

/** Images of one tile. */
export async function llava(backend: Backend): Promise<Scene> {
  const { model, images, prompts } = await loadLlavaFixture("llava_a", backend);
  return { model, prompts, images: images.map((image) => [image]) };
}

/** Images of three tiles. */
export async function internvl(backend: Backend): Promise<Scene> {
  const name = "internvl2_qwen2_a";
  const { model, tiles, prompts } = await loadFamilyFixture(name, backend);
  return { model, prompts, images: tiles };
}

/** Keep counts that fall from layer to layer. */
export function falling({ config }: VisionLanguageModel, N: number): Schedule {
  const keep = [N, N - 3, N >> 1, 2].slice(0, config.decoder.layers);
  return fromKeepCounts(keep, N);
}

/** Samples of a scene as they enter layer 0. */
export function enter(
  { model, images }: Scene,
  prompts: readonly Prompt[],
  ranking: Ranking,
): DecoderState {
  return embedPrompts(
    model,
    embedTiles(model, images),
    prompts,
    ranking === "random" ? [4, 9] : undefined,
  );
}

/** Logits of each token of answers that are said one token at a time. */
async function sayAnswers(
  scene: Scene,
  answers: readonly (readonly number[])[],
  schedule: Schedule,
  reduction: Required<ReductionOptions>,
): Promise<number[]> {
  const { model, prompts } = scene;
  const { backend } = model;
  const B = answers.length;
  const V = model.config.decoder.vocabulary;
  const state = enter(scene, prompts, reduction.ranking);
  let context = prefill(model, state, schedule, reduction);
  const rows: Float32Array[] = [await backend.read(context.logits)];
  for (const a of answers[0].slice(0, -1).keys()) {
    const said = answers.map((answer) => [answer[a]]);
    const step = extend(model, context, said);
    rows.push(await backend.read(step.logits));
    context = step.context;
  }
  // From [A, B, V] to [B, A, V].
  return Array.from(
    { length: B },
    (_, b) => rows.flatMap((row) => [...row.subarray(b * V, (b + 1) * V)]),
  ).flat();
}

const ANSWERS = [[5, 9, 7, 11], [12, 5, 5, 20]];

/** Tests that one pass over a given answer says what saying it by tokens does. */
export async function testForcedAnswers(backend: Backend): Promise<void> {
  for (const load of [llava, internvl]) {
    const scene = await load(backend);
    const { model, images, prompts } = scene;
    const N = images[0].length * model.config.visionTokens;
    const schedule = falling(model, N);
    const forced = prompts.map((prompt, b) => ({
      ...prompt,
      forced: ANSWERS[b].slice(0, -1),
    }));

    for (const ranking of RANKINGS) {
      Deno.test(`predictNextToken() gives a forced answer the logits of saying it token by token, ranking by ${ranking} (${load.name}, ${backend.name})`, async () => {
        for (const positions of ["original", "reindexed"] as const) {
          const reduction = { ranking, positions };
          const state = enter(scene, forced, ranking);
          const logits = predictNextToken(model, state, schedule, reduction);
          const { vocabulary: V } = model.config.decoder;
          assertEquals(logits.shape, [2, ANSWERS[0].length, V]);
          assertClose(
            await backend.read(logits),
            await sayAnswers(scene, ANSWERS, schedule, reduction),
            TOLERANCE,
            positions,
          );
        }
      });
    }
  }
}
