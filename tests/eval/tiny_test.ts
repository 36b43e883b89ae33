// The embedded model, from its files and the tokenizer to an answer, against
// transformers (fixtures/make_tiny_logits.py).

import { assertEquals } from "@std/assert";
import {
  createReferenceBackend,
  embedImages,
  embedPrompts,
  fullSchedule,
  loadVisionLanguageModel,
  multiplyInBlocks,
  nextTokenLogits,
  openSafetensors,
  runDecoder,
  splitPrompt,
} from "../../core/mod.ts";
import { makeQuestions, VOCABULARY } from "../../eval/scene_questions.ts";
import { SCENE_SIZE } from "../../eval/scenes.ts";
import { openFile, openModelDirectory } from "../../io/mod.ts";
import { assertClose } from "../_compare.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const pathTo = (file: string): string =>
  new URL(file, import.meta.url).pathname;

const { source, tokenizer } = await openModelDirectory(
  pathTo("../../models/tiny"),
);
const fixture: { prompts: number[][]; answers: number[] } = JSON.parse(
  await Deno.readTextFile(pathTo("../fixtures/tiny_logits.json")),
);
const scenes = makeQuestions("heldout", 0, fixture.prompts.length);
/** Token ids of every question, in the fixture's order. */
const prompts = scenes.map(({ questions }) =>
  questions.map(({ words }) =>
    tokenizer.encode(`<bos><image>${words.join(" ")}`)
  )
);

Deno.test("the tokenizer of models/tiny numbers words as VOCABULARY does", () => {
  assertEquals(
    VOCABULARY.map((word) => tokenizer.tokenId(word)),
    [...VOCABULARY.keys()],
  );
  assertEquals(prompts.flat(), fixture.prompts);
});

Deno.test("models/tiny gives the logits and answers it gives in transformers", async () => {
  const path = pathTo("../fixtures/tiny_logits.safetensors");
  const file = await openSafetensors(await openFile(path), path);
  const expected = await file.read("logits");

  const backend = createReferenceBackend({ product: multiplyInBlocks });
  const { config } = source;
  const model = await loadVisionLanguageModel(backend, source);
  const schedule = fullSchedule(config.decoder.layers, config.visionTokens);
  const V = config.decoder.vocabulary;
  let question = 0;
  for (const [s, { scene }] of scenes.entries()) {
    const data = scene.pixels;
    const image = { width: SCENE_SIZE, height: SCENE_SIZE, data };
    const visionTokens = embedImages(model, [image]);
    for (const ids of prompts[s]) {
      const prompt = splitPrompt(ids, config.imageToken as number);
      const state = embedPrompts(model, visionTokens, [prompt]);
      const last = runDecoder(model, state, schedule);
      const logits = await backend.read(nextTokenLogits(model, last));

      const wanted = expected.subarray(question * V, (question + 1) * V);
      const what = `logits of question ${question}`;
      assertClose(logits, wanted, F32_TOLERANCES.logits, what);
      const answer = logits.indexOf(Math.max(...logits));
      assertEquals(answer, fixture.answers[question], `question ${question}`);
      question++;
    }
  }
  assertEquals(question, fixture.prompts.length);
});
