// Generation on fixtures llava_a and llava_b, on some backend.

import { assertEquals } from "@std/assert";
import {
  type Backend,
  embedImages,
  embedPrompts,
  extend,
  fromKeepCounts,
  prefill,
} from "../core/mod.ts";
import { assertClose } from "./_compare.ts";
import { assertGenerates, type GeneratedRun } from "./_generated.ts";
import generated from "./fixtures/generated.json" with { type: "json" };
import { LLAVA_FIXTURES, loadLlavaFixture } from "./_llava.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { logits: TOLERANCE } = F32_TOLERANCES;

/**
 * Tests generation against transformers and, where tokens are removed, an
 * implementation without a cache (fixtures/make_generated.py).
 */
export async function testGeneration(backend: Backend): Promise<void> {
  for (const name of LLAVA_FIXTURES) {
    const fixture = await loadLlavaFixture(name, backend);
    const { model, prompts, images } = fixture;
    const N = model.config.visionTokens;

    const enter = (sample: number) =>
      embedPrompts(model, embedImages(model, [images[sample]]), [
        prompts[sample],
      ]);

    Deno.test(`generate() says what other implementations say (${name}, ${backend.name})`, async (t) => {
      for (const run of generated[name] as GeneratedRun[]) {
        await t.step(`${run.label}, sample ${run.sample}`, async () => {
          const state = enter(run.sample);
          const prompt = prompts[run.sample];
          await assertGenerates(model, { state, prompt }, run);
        });
      }
    });

    Deno.test(`extend() by several tokens is extend() by each of them (${name}, ${backend.name})`, async () => {
      const keep = generated[name].find(({ label }) => label === "steps")!.keep;
      for (const positions of ["original", "reindexed"] as const) {
        const start = prefill(model, enter(0), fromKeepCounts(keep, N), {
          positions,
        });
        const ids = [5, 9, 7];
        const together = extend(model, start, [ids]);
        const singly: number[] = [];
        let context = start;
        for (const id of ids) {
          const step = extend(model, context, [[id]]);
          singly.push(...await backend.read(step.logits));
          context = step.context;
        }
        assertClose(await backend.read(together.logits), singly, TOLERANCE);
        assertEquals(together.context.next, context.next);
      }
    });
  }
}
