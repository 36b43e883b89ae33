// Clocks that tell what was measured: they count the rows that attention runs
// over, or are scripted.

import { assertEquals, assertRejects } from "@std/assert";
import { createReferenceBackend, fromKeepCounts } from "../../core/mod.ts";
import { timeDecode, timePrefill } from "../../eval/mod.ts";
import { keepAll, loadLlavaFixture } from "../_llava.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

const reference = createReferenceBackend();
/** Rows that went through attention, of the vision tower and the decoder. */
const rows = { tower: 0, decoder: 0 };
/** Keys that a query of the decoder could see, summed over its attentions. */
let keys = 0;
const { model, images, prompts } = await loadLlavaFixture("llava_a", {
  ...reference,
  attention(q, k, v, spec) {
    rows[spec.causal ? "decoder" : "tower"] += q.shape[0] * q.shape[1];
    if (spec.causal) keys += k.shape[0] * k.shape[1];
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

Deno.test("timeDecode() measures each token on the caches that its schedule leaves, the runs taking turns", async () => {
  const { decoder } = rows;
  const times = await timeDecode(model, set, runs, {
    repeats: 3,
    now: () => keys,
  });
  // The text, what a layer kept, and the tokens decoded so far with this one:
  // 1 to 8, 4.5 in the mean.
  const expected = runs.map(({ schedule }) =>
    schedule.keep.reduce((sum, keep) => sum + TEXT + keep + 4.5, 0)
  );
  assertEquals(times, expected);
  // Besides the decoded tokens only prefills ran; the first time is not counted.
  const decoded = 4 * runs.length * set.samples.length * 8 * 4;
  const prefilled = 4 * set.samples.length *
    ROWS.reduce((sum, count) => sum + count, 0);
  assertEquals(rows.decoder - decoder, decoded + prefilled);
});

Deno.test("timeDecode() reports the median of each run", async () => {
  const durations = [[5, 100, 1, 9, 3], [20, 60, 30, 10, 7]];
  const n = set.samples.length;
  let reading = 0;
  let clock = 0;
  const times = await timeDecode(model, set, runs, {
    now() {
      // A pair of readings per sample; the first turn warms up.
      const turn = Math.floor(reading / 2 / n) - runs.length;
      if (reading++ % 2 === 1 && turn >= 0) {
        clock += durations[turn % 2][turn >> 1];
      }
      return clock;
    },
  });
  assertEquals(times, [5 / 8, 20 / 8]);
});

Deno.test("timePrefill() and timeDecode() free all that they made", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const { model } = await loadLlavaFixture("llava_a", backend);
  const before = backend.live();
  for (const time of [timePrefill, timeDecode]) {
    await time(model, set, runs, { repeats: 1, now: () => 0 });
    assertEquals(backend.live(), before, time.name);
  }
});

Deno.test("timePrefill() and timeDecode() reject with the signal's reason", async () => {
  for (const time of [timePrefill, timeDecode]) {
    const controller = new AbortController();
    const { signal } = controller;
    await assertRejects(
      () =>
        time(model, set, runs, {
          signal,
          now() {
            controller.abort(new Error("enough"));
            return 0;
          },
        }),
      Error,
      "enough",
    );
  }
});
