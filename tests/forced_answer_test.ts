// Teacher forcing: what one pass over a given answer says is what saying it
// token by token does.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Backend,
  createReferenceBackend,
  type DecoderState,
  embedPrompts,
  embedTiles,
  extend,
  fromKeepCounts,
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
  type VisionLanguageModel,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import {
  argmax,
  createEvaluator,
  type Evaluation,
  type Sample,
  type SampleSet,
} from "../eval/mod.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { assertClose } from "./_compare.ts";
import { loadFamilyFixture } from "./_families.ts";
import { device } from "./_gpu.ts";
import { loadLlavaFixture } from "./_llava.ts";
import { randomInteger, seededRandom } from "./_random.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";
import { createTrackingBackend } from "./_tracking_backend.ts";

const { logits: TOLERANCE } = F32_TOLERANCES;

/** A model and two prompts about two images of it. */
interface Scene {
  readonly model: VisionLanguageModel;
  readonly images: SampleSet["images"];
  readonly prompts: readonly Prompt[];
}

async function llava(backend: Backend): Promise<Scene> {
  const { model, images, prompts } = await loadLlavaFixture("llava_a", backend);
  return { model, prompts, images: images.map((image) => [image]) };
}

/** Images of three tiles. */
async function internvl(backend: Backend): Promise<Scene> {
  const name = "internvl2_qwen2_a";
  const { model, tiles, prompts } = await loadFamilyFixture(name, backend);
  return { model, prompts, images: tiles };
}

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

/** Keep counts that fall from layer to layer. */
function falling({ config }: VisionLanguageModel, N: number): Schedule {
  const keep = [N, N - 3, N >> 1, 2].slice(0, config.decoder.layers);
  return fromKeepCounts(keep, N);
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

/** 24 samples with answers of one to three tokens, and images of 1 to 3 tiles. */
function makeSet({ images: [first, second] }: Scene): SampleSet {
  const random = seededRandom(5);
  const word = () => randomInteger(random, 4, 30);
  const words = (count: number) => Array.from({ length: count }, word);
  return {
    images: [first, second.slice(1), first.slice(2), second],
    samples: Array.from({ length: 24 }, (_, i): Sample => ({
      image: i % 4,
      prompt: { before: [1], after: words(2 + i % 2) },
      answer: words(1 + randomInteger(random, 0, 2)),
    })),
  };
}

const byIndex = ({ samples }: Evaluation) =>
  samples.toSorted((a, b) => a.index - b.index);

/** A sample's answer, said token by token, with nothing kept. */
async function runAlone(
  model: VisionLanguageModel,
  { images, samples }: SampleSet,
  index: number,
  { schedule, reduction }: {
    readonly schedule: Schedule;
    readonly reduction: ReductionOptions;
  },
): Promise<{ correct: boolean; loss: number }> {
  const { backend } = model;
  const { image, prompt, answer } = samples[index];
  const { ranking } = reduction;
  const state = embedPrompts(
    model,
    embedTiles(model, [images[image]]),
    [prompt],
    ranking === "random" ? [index] : undefined,
  );
  let context = prefill(model, state, schedule, reduction);
  let [correct, loss] = [true, 0];
  for (const token of answer) {
    const logits = await backend.read(context.logits);
    const sum = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    loss += Math.log(sum) - logits[token];
    correct &&= argmax(logits) === token;
    context = extend(model, context, [[token]]).context;
  }
  return { correct, loss };
}

for (const load of [llava, internvl]) {
  Deno.test(`createEvaluator() gives answers of several tokens what each gets when said alone (${load.name})`, async () => {
    const scene = await load(reference);
    const { model } = scene;
    const set = makeSet(
      // llava has images of one tile only
      load === llava ? { ...scene, images: threefold(scene) } : scene,
    );
    const tile = model.config.visionTokens;
    // Of each number of tiles; what it keeps of one is a third of that of three.
    const keep = (tiles: number): number[] =>
      [3, 3, 1.5, 0.75].map((quarters) => tile * tiles * quarters / 3)
        .slice(0, model.config.decoder.layers);
    const schedule = fromKeepCounts(keep(3), 3 * tile);
    for (const ranking of RANKINGS) {
      const reduction = { ranking } as const;
      const evaluate = createEvaluator(model, set, reduction);
      const uncached = createEvaluator(model, set, {
        ...reduction,
        cache: false,
      });
      const whole = await evaluate(schedule, { fixedLayers: 2 });
      assertEquals(whole, await uncached(schedule), ranking);
      for (const { index, correct, loss } of byIndex(whole)) {
        const tiles = set.images[set.samples[index].image].length;
        const own = fromKeepCounts(keep(tiles), tiles * tile);
        const alone = await runAlone(model, set, index, {
          schedule: own,
          reduction,
        });
        assertEquals(correct, alone.correct, `sample ${index}`);
        assertClose([loss], [alone.loss], TOLERANCE, `sample ${index}`);
      }
    }
  });
}

/** Both images of a scene, and one of them once more, as tiles of one image. */
function threefold({ images: [[a], [b]] }: Scene): SampleSet["images"] {
  return [[a, b, a], [b, a, b]];
}

Deno.test("createEvaluator() says that an answer is right where greedy decoding says it", async () => {
  const scene = await llava(reference);
  const { model, prompts } = scene;
  const schedule = falling(model, 16);
  // What the model says, three tokens of it.
  let context = prefill(
    model,
    embedPrompts(model, embedTiles(model, [scene.images[0]]), [prompts[0]]),
    schedule,
  );
  const said: number[] = [];
  for (let i = 0; i < 3; i++) {
    said.push(argmax(await reference.read(context.logits)));
    context = extend(model, context, [said.slice(-1)]).context;
  }
  const other = (token: number) => token === 5 ? 6 : 5;
  const answers = [
    said,
    said.slice(0, 1),
    said.with(0, other(said[0])),
    said.with(2, other(said[2])),
  ];
  const { samples } = await createEvaluator(model, {
    images: scene.images,
    samples: answers.map((answer) => ({
      image: 0,
      prompt: prompts[0],
      answer,
    })),
  })(schedule);
  const right = samples.toSorted((a, b) => a.index - b.index)
    .map(({ correct }) => correct);
  assertEquals(right, [true, true, false, false]);
});

Deno.test("createEvaluator() keeps nothing of a forced answer", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const scene = await internvl(backend);
  const evaluate = createEvaluator(scene.model, makeSet(scene));
  const tokens = 3 * scene.model.config.visionTokens;
  const schedules = [[12, 6, 3], [12, 5, 5]].map((keep) =>
    fromKeepCounts(keep, tokens)
  );
  const live: number[] = [];
  for (let i = 0; i < 4; i++) {
    await evaluate(schedules[i % 2], { fixedLayers: 1 });
    live.push(backend.live());
  }
  assert(live.every((count) => count === live[0]), `${live}`);
});
