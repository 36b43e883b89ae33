// What the evaluator makes of answers of several tokens.

import { assert, assertEquals } from "@std/assert";
import {
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  extend,
  fromKeepCounts,
  prefill,
  RANKINGS,
  type ReductionOptions,
  type Schedule,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import {
  argmax,
  createEvaluator,
  type Sample,
  type SampleSet,
} from "../../eval/mod.ts";
import { assertClose } from "../_compare.ts";
import { byIndex } from "../_evaluator.ts";
import { falling, internvl, llava, type Scene } from "../_forced_answer.ts";
import { randomInteger, seededRandom } from "../_random.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

const { logits: TOLERANCE } = F32_TOLERANCES;
const reference = createReferenceBackend();

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
