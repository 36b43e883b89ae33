// What FitPrune and VTW measure, against transformers (make_rankings.py).

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createReferenceBackend } from "../../core/mod.ts";
import {
  attentionByLayer,
  attentionShares,
  type SampleSet,
  visionTokensOf,
  withdrawalDivergence,
} from "../../eval/mod.ts";
import { assertClose } from "../_compare.ts";
import { loadFamilyFixture } from "../_families.ts";
import { LLAVA_FIXTURES, loadLlavaFixture } from "../_llava.ts";
import { RANKED } from "../_rankings.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

for (const name of LLAVA_FIXTURES) {
  const backend = createTrackingBackend(createReferenceBackend());
  const { model, images, prompts } = await loadLlavaFixture(name, backend);
  const set: SampleSet = {
    images: images.map((image) => [image]),
    samples: prompts.map((prompt, image) => ({ image, prompt, answer: [0] })),
  };
  const expected = RANKED[name];
  const L = model.config.decoder.layers;

  Deno.test(`attentionShares() measures what vision tokens receive, by rank, and frees the rest (${name})`, async () => {
    const before = backend.live();
    const shares = await attentionShares(model, set);
    assertEquals(backend.live(), before);
    for (const kind of ["cross", "self"] as const) {
      assertEquals(shares[kind].length, L);
      for (const [layer, byRank] of shares[kind].entries()) {
        const what = `${kind}, layer ${layer}`;
        assertClose(byRank, expected[kind][layer], F32_TOLERANCES.hidden, what);
        assertEquals(byRank, byRank.toSorted().reverse());
      }
    }
  });

  Deno.test(`withdrawalDivergence() measures what the next token owes to deep layers, and frees the rest (${name})`, async () => {
    const before = backend.live();
    const divergence = await withdrawalDivergence(model, set);
    assertEquals(backend.live(), before);
    assertClose(divergence, expected.divergence, F32_TOLERANCES.logits);
    // In the last layer there is little left to lose, but something.
    assert(divergence[L - 1] > 0 && divergence[0] > divergence[L - 1]);
  });

  for (const measure of [attentionShares, withdrawalDivergence]) {
    Deno.test(`${measure.name}() reports its progress and rejects with the signal's reason (${name})`, async () => {
      const controller = new AbortController();
      const done: [number, number][] = [];
      await assertRejects(
        () =>
          measure(model, set, {
            signal: controller.signal,
            onProgress: (...progress) => {
              done.push(progress);
              controller.abort(new Error("enough"));
            },
          }),
        Error,
        "enough",
      );
      assertEquals(done, [[1, 2]]);
    });
  }
}

Deno.test("attentionShares() counts images of all numbers of tiles alike", async () => {
  const { model, tiles: [tiles], prompts: [prompt] } = await loadFamilyFixture(
    "internvl2_qwen2_a",
  );
  const sets = [tiles, tiles.slice(1, 2)].map((image): SampleSet => ({
    images: [image],
    samples: [{ image: 0, prompt, answer: [0] }],
  }));
  const both: SampleSet = {
    images: sets.flatMap(({ images }) => images),
    samples: [sets[0].samples[0], { ...sets[1].samples[0], image: 1 }],
  };
  const N = visionTokensOf(both, model.config);
  assertEquals(N, 3 * model.config.visionTokens);
  const [three, one, mean] = await Promise.all(
    [...sets, both].map((set) => attentionShares(model, set)),
  );
  for (const kind of ["cross", "self"] as const) {
    for (const [layer, byRank] of mean[kind].entries()) {
      const wanted = three[kind][layer].map((share, rank) =>
        // Each token of one tile stands for three ranks.
        (share + one[kind][layer][Math.floor(rank / 3)] / 3) / 2
      );
      assertClose(byRank, wanted, F32_TOLERANCES.operation);
    }
  }
  // The other measures take images as they come.
  assertEquals(
    (await attentionByLayer(model, both)).map(([{ length }]) => length),
    [N, N / 3],
  );
  const divergences = await Promise.all(
    [...sets, both].map((set) => withdrawalDivergence(model, set)),
  );
  assertClose(
    divergences[2],
    divergences[0].map((d, layer) => (d + divergences[1][layer]) / 2),
    F32_TOLERANCES.operation,
  );
});
