// Teacher forcing: what one pass over a given answer says is what saying it
// token by token does.

import { assertEquals, assertThrows } from "@std/assert";
import {
  type Backend,
  createReferenceBackend,
  type DecoderState,
  embedPrompts,
  embedTiles,
  extend,
  nextTokenLogits,
  predictNextToken,
  prefill,
  type Prompt,
  type Ranking,
  RANKINGS,
  type ReductionOptions,
  runDecoder,
  type Schedule,
  selectRaters,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { assertClose } from "./_compare.ts";
import { falling, internvl, llava, type Scene } from "./_forced_answer.ts";
import { device } from "./_gpu.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { logits: TOLERANCE } = F32_TOLERANCES;

/** Samples of a scene as they enter layer 0. */
function enter(
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

const BACKENDS: readonly Backend[] = [
  createReferenceBackend(),
  createCpuBackend(),
  createGpuBackend(device),
];
const ANSWERS = [[5, 9, 7, 11], [12, 5, 5, 20]];

for (const backend of BACKENDS) {
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

const reference = createReferenceBackend();

Deno.test("nextTokenLogits() gives a forced answer what predictNextToken() gives it", async () => {
  const scene = await llava(reference);
  const { model, prompts } = scene;
  const forced = prompts.map((prompt) => ({ ...prompt, forced: [8, 6] }));
  const state = enter(scene, forced, "instruction");
  const schedule = falling(model, 16);
  const left = runDecoder(model, state, schedule);
  assertEquals(
    await reference.read(nextTokenLogits(model, left)),
    await reference.read(predictNextToken(model, state, schedule)),
  );
});

Deno.test("selectRaters() chooses among instruction tokens, whatever answer is forced", async () => {
  const scene = await llava(reference);
  const forced = scene.prompts.map((prompt) => ({
    ...prompt,
    forced: [8, 6, 7],
  }));
  const raters = async (prompts: readonly Prompt[]) => {
    const state = enter(scene, prompts, "raters");
    return await reference.read(selectRaters(reference, state));
  };
  assertEquals(await raters(forced), await raters(scene.prompts));
});

Deno.test("embedPrompts() refuses forced answers of different lengths, and tokens that are not in the vocabulary", async () => {
  const scene = await llava(reference);
  const prompts = (...forced: number[][]) =>
    scene.prompts.map((prompt, b) => ({ ...prompt, forced: forced[b] }));
  const [{ before, after }] = scene.prompts;
  const lengths = `${before.length} + ${after.length}`;
  assertThrows(
    () => enter(scene, prompts([5, 6], []), "instruction"),
    TypeError,
    `must have ${lengths} + 2 tokens: current prompt has ${lengths}`,
  );
  assertThrows(
    () => enter(scene, prompts([5], [31]), "instruction"),
    RangeError,
    "[0, 30]: current value is 31",
  );
});
