/** Every ranking rule on some backend against transformers (make_rankings.py). */

import { assertEquals } from "@std/assert";
import {
  type Backend,
  fromKeepCounts,
  type PositionRule,
  predictNextToken,
  type Ranking,
  selectRaters,
} from "../core/mod.ts";
import { assertClose } from "./_compare.ts";
import { readTestText } from "./_files.ts";
import { enter, LLAVA_FIXTURES, loadLlavaFixture, trace } from "./_llava.ts";
import { assertSame } from "./_parity.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;

/** A run by transformers; lists of layers hold lists of samples. */
interface RankedRun {
  readonly ranking: Ranking;
  readonly positions: PositionRule;
  readonly keep: readonly number[];
  /** Vision tokens there. */
  readonly kept: readonly (readonly (readonly number[])[])[];
  /** Of the vision tokens there; null where nothing was ranked. */
  readonly scores: readonly (readonly (readonly number[] | null)[])[];
  /** Instruction tokens, for each sample. */
  readonly raters: readonly (readonly number[])[];
  /** For each sample. */
  readonly logits: readonly (readonly number[])[];
}

/** What transformers gave of a model. */
interface RankedModel {
  readonly runs: readonly RankedRun[];
  /** As `AttentionShares`. */
  readonly cross: readonly (readonly number[])[];
  readonly self: readonly (readonly number[])[];
  /** As `withdrawalDivergence` gives it. */
  readonly divergence: readonly number[];
}

/** By the names of the fixtures with the models. */
export const RANKED: Readonly<
  Record<typeof LLAVA_FIXTURES[number], RankedModel>
> = JSON.parse(await readTestText("fixtures/rankings.json"));

/** Tests scores, kept sets and logits of every rule, and who are raters. */
export async function testRankings(backend: Backend): Promise<void> {
  Deno.test(`selectRaters() agrees with the reference on hidden states as wide as usual (${backend.name})`, async () => {
    for (const D of [896, 1030, 4096]) {
      await assertSame(backend, D, (inputs) => {
        const hidden = inputs.floats([2, 70, D], 0.1);
        const vision = { start: 5, length: 50 };
        return selectRaters(inputs.backend, { hidden, vision });
      }, {});
    }
  });

  for (const name of LLAVA_FIXTURES) {
    const fixture = await loadLlavaFixture(name, backend);
    const { model, prompts } = fixture;
    const { before, after } = prompts[0];

    for (const run of RANKED[name].runs) {
      const { ranking, positions, keep } = run;
      const schedule = fromKeepCounts(keep, keep[0]);

      Deno.test(`runDecoder() ranks by ${ranking} as transformers' attention says (${name}, ${positions}, ${backend.name})`, async () => {
        const reduction = { ranking, positions };
        const state = enter(fixture);
        const stepped = await trace(model, state, schedule, reduction);
        for (const [i, layer] of stepped.layers.entries()) {
          const S = before.length + keep[i] + after.length;
          for (const b of prompts.keys()) {
            const ids = [...layer.positions.subarray(b * S, (b + 1) * S)]
              .slice(before.length, before.length + keep[i]);
            const kept = positions === "original"
              ? run.kept[i][b]
              : [...run.kept[i][b].keys()];
            const wanted = kept.map((n) => before.length + n);
            assertEquals(ids, wanted, `layer ${i}, sample ${b}`);
          }
          // Between layers, `next` has none.
          const wanted = ranking === "next"
            ? []
            : run.scores[i].flatMap((scores) => scores!);
          assertClose(layer.scores, wanted, hidden, `scores of ${i}`);
        }
        const wanted = run.logits.flat();
        assertClose(stepped.logits, wanted, logits, "logits");
        // Not layer by layer, scores are made only where they are needed.
        const through = predictNextToken(model, state, schedule, reduction);
        assertClose(await backend.read(through), wanted, logits, "at once");
      });
    }

    Deno.test(`selectRaters() finds the tokens that SparseVLM's rule finds (${name}, ${backend.name})`, async () => {
      const marks = await backend.read(selectRaters(backend, enter(fixture)));
      const T = after.length;
      const raters = [...prompts.keys()].map((b) =>
        after.map((_, t) => t).filter((t) => marks[b * T + t] === 1)
      );
      assertEquals(raters, RANKED[name].runs[0].raters);
    });
  }
}
