// Generation of all families, with several tiles, against transformers and, where
// tokens are removed, an implementation without a cache (fixtures/make_families.py).

import { assertEquals } from "@std/assert";
import {
  type Backend,
  createReferenceBackend,
  type DecoderState,
  embedPrompts,
  embedTiles,
  extend,
  fullSchedule,
  type ModelConfig,
  predictNextToken,
  prefill,
  sampleToken,
} from "../core/mod.ts";
import { unscaledLength } from "../core/rope.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { assertClose } from "./_compare.ts";
import {
  FAMILY_FIXTURES,
  type FamilyFixture,
  type FamilyName,
  loadFamilyFixture,
} from "./_families.ts";
import generatedJson from "./fixtures/families/generated.json" with {
  type: "json",
};
import { assertGenerates, type GeneratedRun } from "./_generated.ts";
import { device } from "./_gpu.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const generated = generatedJson as unknown as Record<
  FamilyName,
  GeneratedRun[]
>;

/** One prompt of a fixture as it enters layer 0, with words after it. */
function enter(
  { model, tiles, prompts }: FamilyFixture,
  sample: number,
  words: readonly number[] = [],
): DecoderState {
  const { before, after } = prompts[sample];
  return embedPrompts(model, embedTiles(model, [tiles[sample]]), [
    { before, after: [...after, ...words] },
  ]);
}

/** The configuration with more positions before dynamic scaling begins. */
function withPositions(config: ModelConfig, positions: number): ModelConfig {
  const { decoder } = config;
  const { scaling } = decoder.rope;
  if (scaling?.type !== "dynamic") {
    throw new Error("its scaling is not dynamic");
  }
  const rope = { ...decoder.rope, scaling: { ...scaling, positions } };
  return { ...config, decoder: { ...decoder, rope } };
}

function testGenerated(backend: Backend, name: FamilyName): void {
  Deno.test(`generate() says what other implementations say (${name}, ${backend.name})`, async (t) => {
    const given = await loadFamilyFixture(name, backend);
    for (const run of generated[name]) {
      const { label, sample, maxPositions } = run;
      const fixture = maxPositions === undefined
        ? given
        : await loadFamilyFixture(
          name,
          backend,
          (config) => withPositions(config, maxPositions),
        );
      const where = maxPositions ? ` from ${maxPositions} positions on` : "";
      await t.step(`${label}, sample ${sample}${where}`, async () => {
        const state = enter(fixture, sample);
        const prompt = fixture.prompts[sample];
        await assertGenerates(fixture.model, { state, prompt }, run);
      });
    }
  });
}

for (const createBackend of [createReferenceBackend, createCpuBackend]) {
  const backend = createBackend();
  for (const name of FAMILY_FIXTURES) testGenerated(backend, name);
}

// An adapter in software takes its time: one model of each decoder.
const gpu = createGpuBackend(device);
for (
  const name of [
    "internvl_b",
    "internvl2_qwen2_a",
    "internvl2_internlm2_a",
    "internvl2_phi3_b",
  ] as const
) testGenerated(gpu, name);

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
