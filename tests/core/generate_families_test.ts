// Generation of all families, with several tiles, against transformers and, where
// tokens are removed, an implementation without a cache (fixtures/make_families.py).

import { assertEquals } from "@std/assert";
import {
  createReferenceBackend,
  extend,
  fullSchedule,
  predictNextToken,
  prefill,
  sampleToken,
} from "../../core/mod.ts";
import { unscaledLength } from "../../core/rope.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { assertClose } from "../_compare.ts";
import { FAMILY_FIXTURES, loadFamilyFixture } from "../_families.ts";
import { enter, testGenerated, withPositions } from "../_generated_families.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

for (const createBackend of [createReferenceBackend, createCpuBackend]) {
  const backend = createBackend();
  for (const name of FAMILY_FIXTURES) testGenerated(backend, name);
}

for (const name of FAMILY_FIXTURES) {
  Deno.test(`extend() gives what a run of the whole text without a cache gives (${name})`, async () => {
    // Where frequencies change on the way, cached keys keep those they have.
    const fixture = await loadFamilyFixture(
      name,
      createReferenceBackend(),
      (config) =>
        config.decoder.rope.scaling?.type === "dynamic"
          ? withPositions(config, 64)
          : config,
    );
    const { model, prompts: [{ before, after }] } = fixture;
    const { backend, config: { decoder } } = model;
    const state = enter(fixture, 0);
    const N = state.vision.length;
    const start = before.length + N + after.length;
    const left = unscaledLength(decoder.rope) - start;
    const length = left > 0 ? Math.min(left, 20) : 20;

    const all = fullSchedule(decoder.layers, N);
    const ids: number[] = [];
    let context = prefill(model, state, all);
    while (ids.length < length) {
      const whole = enter(fixture, 0, ids);
      const expected = await backend.read(predictNextToken(model, whole, all));
      const actual = await backend.read(context.logits);
      const where = `after ${ids.length}`;
      assertClose(actual, expected, F32_TOLERANCES.logits, where);
      const id = sampleToken(expected);
      assertEquals(sampleToken(actual), id, where);
      ids.push(id);
      context = extend(model, context, [[id]]).context;
    }
  });
}
