// Clocks that tell what was measured: one counts the rows that attention runs
// over, one is scripted.

import { assertEquals, assertRejects } from "@std/assert";
import { createReferenceBackend, fromKeepCounts } from "../core/mod.ts";
import { timePrefill } from "../eval/mod.ts";
import { keepAll, loadLlavaFixture } from "./_llava.ts";

const reference = createReferenceBackend();
/** Rows that went through attention, of the vision tower and the decoder. */
const rows = { tower: 0, decoder: 0 };
const { model, images, prompts } = await loadLlavaFixture("llava_a", {
  ...reference,
  attention(q, k, v, spec) {
    rows[spec.causal ? "decoder" : "tower"] += q.shape[0] * q.shape[1];
    return reference.attention(q, k, v, spec);
  },
});
const set = {
  images: images.map((image) => [image]),
  samples: prompts.map((prompt, image) => ({ image, prompt, answer: [0] })),
};
const TEXT = prompts[0].before.length + prompts[0].after.length;
const runs = [
  { schedule: keepAll(model), reduction: {} },
  {
    schedule: fromKeepCounts([16, 8, 4, 4], 16),
    reduction: { ranking: "last" },
  },
] as const;
/** Rows of each run per sample; in the last layer only the last token asks. */
const ROWS = runs.map(({ schedule }) =>
  schedule.keep.slice(0, -1).reduce((sum, keep) => sum + TEXT + keep, 1)
);

Deno.test("timePrefill() measures the decoder alone, per sample, the runs taking turns", async () => {
  const readings: { tower: number; decoder: number }[] = [];
  const times = await timePrefill(model, set, runs, {
    repeats: 3,
    now() {
      readings.push({ ...rows });
      return rows.decoder;
    },
  });
  assertEquals(times, ROWS);
  // A reading before and one after each measurement.
  const measured = Array.from(
    { length: readings.length / 2 },
    (_, i) => readings[2 * i + 1].decoder - readings[2 * i].decoder,
  );
  const [full, reduced] = ROWS.map((rows) => rows * set.samples.length);
  assertEquals(measured, [full, reduced, full, reduced, full, reduced]);
  // No vision tower ran while a clock did.
  assertEquals(readings.at(-1)!.tower, readings[0].tower);
});

Deno.test("timePrefill() reports the median of each run", async () => {
  const durations = [[5, 100, 1, 9, 3], [20, 60, 30, 10, 7]];
  let reading = 0;
  let clock = 0;
  const times = await timePrefill(model, set, runs, {
    now() {
      const turn = reading >> 1;
      if (reading++ % 2 === 1) clock += durations[turn % 2][turn >> 1];
      return clock;
    },
  });
  assertEquals(times, [5 / set.samples.length, 20 / set.samples.length]);
});

Deno.test("timePrefill() rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await assertRejects(
    () =>
      timePrefill(model, set, runs, {
        signal,
        now() {
          controller.abort(new Error("enough"));
          return 0;
        },
      }),
    Error,
    "enough",
  );
});
