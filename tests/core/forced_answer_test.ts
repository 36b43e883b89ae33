// Teacher forcing: what one pass over a given answer says is what saying it
// token by token does.

import { assertEquals, assertThrows } from "@std/assert";
import {
  createReferenceBackend,
  nextTokenLogits,
  predictNextToken,
  type Prompt,
  runDecoder,
  selectRaters,
} from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { enter, falling, llava, testForcedAnswers } from "../_forced_answer.ts";

await testForcedAnswers(createReferenceBackend());
await testForcedAnswers(createCpuBackend());

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
