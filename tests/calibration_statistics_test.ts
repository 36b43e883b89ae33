// What FitPrune and VTW measure, against transformers (make_rankings.py).

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createReferenceBackend } from "../core/mod.ts";
import {
  attentionShares,
  type SampleSet,
  withdrawalDivergence,
} from "../eval/mod.ts";
import { assertClose } from "./_compare.ts";
import { LLAVA_FIXTURES, loadLlavaFixture } from "./_llava.ts";
import { RANKED } from "./_rankings.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";
import { createTrackingBackend } from "./_tracking_backend.ts";

for (const name of LLAVA_FIXTURES) {
  const backend = createTrackingBackend(createReferenceBackend());
  const { model, images, prompts } = await loadLlavaFixture(name, backend);
  const set: SampleSet = {
    images,
    samples: prompts.map((prompt, image) => ({ image, prompt, answer: 0 })),
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
