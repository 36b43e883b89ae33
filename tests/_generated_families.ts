// Generation of all families, with several tiles, on some backend.

import {
  type Backend,
  type DecoderState,
  embedPrompts,
  embedTiles,
  type ModelConfig,
} from "../core/mod.ts";
import {
  type FamilyFixture,
  type FamilyName,
  loadFamilyFixture,
} from "./_families.ts";
import generatedJson from "./fixtures/families/generated.json" with {
  type: "json",
};
import { assertGenerates, type GeneratedRun } from "./_generated.ts";

const generated = generatedJson as unknown as Record<
  FamilyName,
  GeneratedRun[]
>;

/** One prompt of a fixture as it enters layer 0, with words after it. */
export function enter(
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
export function withPositions(
  config: ModelConfig,
  positions: number,
): ModelConfig {
  const { decoder } = config;
  const { scaling } = decoder.rope;
  if (scaling?.type !== "dynamic") {
    throw new Error("its scaling is not dynamic");
  }
  const rope = { ...decoder.rope, scaling: { ...scaling, positions } };
  return { ...config, decoder: { ...decoder, rope } };
}

/**
 * Tests generation of a family against transformers and, where tokens are
 * removed, an implementation without a cache (fixtures/make_families.py).
 */
export function testGenerated(backend: Backend, name: FamilyName): void {
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
