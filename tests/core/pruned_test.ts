// Sort & Reduce in the decoder against an independent implementation
// (fixtures/pruned_llama.py): who stays, and what is computed with them.

import { assertEquals, assertThrows } from "@std/assert";
import {
  type DecoderState,
  embedImages,
  embedPrompts,
  fastvSchedule,
  fromKeepCounts,
  predictNextToken,
  runDecoder,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import {
  enter,
  LLAVA_FIXTURES,
  loadLlavaFixture,
  scheduleOf,
  trace,
} from "../_llava.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;

for (const name of LLAVA_FIXTURES) {
  const fixture = await loadLlavaFixture(name);
  const { model, prompts, pruned, expected } = fixture;
  const N = model.config.visionTokens;
  const { before, after } = prompts[0];

  for (const run of pruned) {
    const { label, keep, kept, ranking, positions } = run;
    const schedule = scheduleOf(model, run);

    Deno.test(`runDecoder() keeps the right tokens and numbers (${name}, ${label})`, async () => {
      const { layers, logits: actual } = await trace(
        model,
        enter(fixture),
        schedule,
        { ranking, positions },
      );
      for (const [i, layer] of layers.entries()) {
        const S = before.length + keep[i] + after.length;
        assertEquals(layer.positions.length, prompts.length * S);
        for (const b of prompts.keys()) {
          const ids = [...layer.positions.subarray(b * S, (b + 1) * S)];
          // A token's original position id says which one it is.
          const wanted = positions === "reindexed"
            ? Array.from({ length: S }, (_, s) => s)
            : [
              ...before.keys(),
              ...kept[i][b].map((n) => before.length + n),
              ...Array.from(after.keys(), (t) => before.length + N + t),
            ];
          assertEquals(ids, wanted, `layer ${i}, sample ${b}`);
        }
        const array = keep[i] === N
          ? `hidden.${i}` // as without a schedule
          : `${label}.hidden.${i}`;
        const what = `hidden states of layer ${i}`;
        assertClose(layer.hidden, await expected(array), hidden, what);
      }
      assertClose(actual, await expected(`${label}.logits`), logits, "logits");
    });

    Deno.test(`predictNextToken() gives the same without the rest of the last layer (${name}, ${label})`, async () => {
      const options = { ranking, positions };
      const { logits } = await trace(model, enter(fixture), schedule, options);
      const state = enter(fixture);
      const predict = (state: DecoderState, from: number) =>
        model.backend.read(
          predictNextToken(model, state, schedule, { ...options, from }),
        );
      assertEquals(await predict(state, 0), logits);
      const last = keep.length - 1;
      const entering = runDecoder(model, state, schedule, {
        ...options,
        to: last,
      });
      assertEquals(await predict(entering, last), logits);
      assertThrows(() => predict(entering, last + 1), RangeError, "last layer");
    });
  }

  Deno.test(`runDecoder() keeps the largest random numbers under the random ranking (${name})`, async () => {
    const L = model.config.decoder.layers;
    const state = embedPrompts(
      model,
      embedImages(model, fixture.images),
      prompts,
      [7, 8],
    );
    const numbers = await model.backend.read(state.scores!);
    // Reduced before every layer, so that each removal builds on another.
    const keep = Array.from({ length: L }, (_, i) => N - 3 * (i + 1));
    const schedule = fromKeepCounts(keep, N);
    const { layers } = await trace(model, state, schedule, {
      ranking: "random",
    });
    for (const [i, { positions }] of layers.entries()) {
      const S = before.length + keep[i] + after.length;
      for (const b of prompts.keys()) {
        const numbersB = numbers.subarray(b * N, (b + 1) * N);
        const least = numbersB.toSorted().at(-keep[i])!;
        const wanted = [...numbersB.keys()].filter((n) => numbersB[n] >= least);
        const ids = [...positions.subarray(b * S, (b + 1) * S)]
          .slice(before.length, before.length + keep[i]);
        assertEquals(ids.map((id) => id - before.length), wanted);
      }
    }
  });

  Deno.test(`runDecoder() refuses to remove tokens before there are scores (${name})`, () => {
    const L = model.config.decoder.layers;
    const schedule = fromKeepCounts(Array(L).fill(N - 1), N);
    assertThrows(
      () => runDecoder(model, enter(fixture), schedule),
      RangeError,
      "layer 0",
    );
  });
}

Deno.test("fastvSchedule() is the schedule of FastV's rule, K = 2 and half of the tokens", async () => {
  const { pruned } = await loadLlavaFixture("llava_a");
  const options = { layers: 4, visionTokens: 16, layer: 2, keepRate: 0.5 };
  const fastv = pruned.find(({ label }) => label === "fastv")!;
  assertEquals(fastvSchedule(options).keep, fastv.keep);
});
