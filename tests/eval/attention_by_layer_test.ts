import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createReferenceBackend } from "../../core/mod.ts";
import { attentionByLayer, type SampleSet } from "../../eval/mod.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "../_llava.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

const backend = createTrackingBackend(createReferenceBackend());
const fixture = await loadLlavaFixture("llava_a", backend);
const { model, images, prompts } = fixture;
const set: SampleSet = {
  images: images.map((image) => [image]),
  // Not in the order of the images.
  samples: [1, 0].map((image) => ({
    image,
    prompt: prompts[image],
    answer: [0],
  })),
};

Deno.test("attentionByLayer() gives the scores of each layer of the unreduced model, and frees the rest", async () => {
  const both = enter(fixture);
  for (const ranking of ["instruction", "last"] as const) {
    const { layers } = await trace(model, both, keepAll(model), { ranking });
    const before = backend.live();
    const scores = await attentionByLayer(model, set, { ranking });
    assertEquals(backend.live(), before);

    const N = model.config.visionTokens;
    const expected = set.samples.map(({ image }) =>
      layers.map(({ scores }) => scores.slice(image * N, (image + 1) * N))
    );
    assertEquals(scores, expected);
  }
});

Deno.test("attentionByLayer() counts the attention of all instruction tokens by default", async () => {
  const scores = await attentionByLayer(model, set);
  const ranked = async (ranking: "instruction" | "last") =>
    await attentionByLayer(model, set, { ranking });
  assertEquals(scores, await ranked("instruction"));
  assertNotEquals(scores, await ranked("last"));
});

Deno.test("attentionByLayer() rejects with the signal's reason", async () => {
  const controller = new AbortController();
  queueMicrotask(() => controller.abort(new Error("enough")));
  await assertRejects(
    () => attentionByLayer(model, set, { signal: controller.signal }),
    Error,
    "enough",
  );
});
