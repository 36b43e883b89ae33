// Parity of the unpruned forward pass with transformers, step by step.

import { assert, assertEquals } from "@std/assert";
import {
  embedImages,
  embedPrompts,
  encodeImage,
  extractPatches,
  runDecoder,
  type Tensor,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import {
  enter,
  keepAll,
  LLAVA_FIXTURES,
  type LlavaFixture,
  loadLlavaFixture,
  scheduleOf,
  trace,
} from "../_llava.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const { operation, hidden, logits } = F32_TOLERANCES;

/** The patches of a fixture's images, shape [B, patches, 3·P·P]. */
function patchesOf({ model, images }: LlavaFixture): Float32Array {
  const { imageSize, patchSize } = model.config.vision;
  return extractPatches(images, imageSize, patchSize, model.normalization);
}

Deno.test("parseModelConfig() reads what transformers writes", async () => {
  const { config: a } = (await loadLlavaFixture("llava_a")).source;
  assertEquals(a, {
    family: "llava",
    vision: {
      type: "clip",
      width: 12,
      layers: 3,
      heads: 2,
      mlpWidth: 17,
      imageSize: 16,
      patchSize: 4,
      activation: "quick_gelu",
      norm: "layer",
      normEpsilon: 1e-5,
      qkvBias: true,
      qkNormEpsilon: null,
      featureLayers: 2,
      dropClassToken: true,
    },
    projector: { merge: 1, norm: false, activation: "gelu" },
    decoder: {
      type: "llama",
      width: 16,
      layers: 4,
      heads: 4,
      kvHeads: 2,
      headWidth: 6,
      mlpWidth: 23,
      vocabulary: 31,
      normEpsilon: 1e-5,
      qkvBias: false,
      outBias: false,
      rope: { theta: 500, scaling: null },
      window: null,
      tiedHead: false,
    },
    imageToken: 3,
    visionTokens: 16,
  });

  const { config: b } = (await loadLlavaFixture("llava_b")).source;
  assertEquals(b.vision.activation, "gelu");
  assertEquals(b.vision.featureLayers, 2);
  assertEquals(b.vision.dropClassToken, false);
  assertEquals(b.projector.activation, "gelu_tanh");
  assertEquals(b.decoder.headWidth, 6);
  assertEquals(b.decoder.rope.theta, 10000);
  assertEquals(b.decoder.tiedHead, true);
  assertEquals(b.visionTokens, 17);
});

for (const name of LLAVA_FIXTURES) {
  const fixture = await loadLlavaFixture(name);
  const { model, images, prompts, expected } = fixture;
  const { backend, config } = model;

  Deno.test(`extractPatches() cuts images as a convolution does (${name})`, async () => {
    assertClose(patchesOf(fixture), await expected("patches"), operation);
  });

  Deno.test(`encodeImage() gives every hidden state of CLIP (${name})`, async () => {
    const { featureLayers, patchSize, dropClassToken } = config.vision;
    const N = config.visionTokens - (dropClassToken ? 0 : 1);
    const patches = backend.upload(patchesOf(fixture), [
      images.length,
      N,
      3 * patchSize * patchSize,
    ]);
    const states: Tensor[] = [];
    encodeImage(backend, model.tower, patches, (state) => states.push(state));

    assertEquals(states.length, featureLayers + 1);
    for (const [i, state] of states.entries()) {
      const label = `vision hidden state ${i}`;
      const actual = await backend.read(state);
      assertClose(actual, await expected(`vision.${i}`), hidden, label);
    }
  });

  Deno.test(`embedImages() gives the projected features (${name})`, async () => {
    const features = embedImages(model, images);
    assertEquals(features.shape[1], config.visionTokens);
    assertClose(
      await backend.read(features),
      await expected("features"),
      hidden,
    );
  });

  Deno.test(`embedPrompts() puts vision tokens between the words (${name})`, async () => {
    const state = enter(fixture);
    assertEquals(state.vision, {
      start: prompts[0].before.length,
      length: config.visionTokens,
    });
    assertClose(
      await backend.read(state.hidden),
      await expected("embedded"),
      hidden,
    );
  });

  for (const ranking of ["instruction", "last"] as const) {
    Deno.test(`runDecoder() gives LLaMA's hidden states, and scores by ${ranking} (${name})`, async () => {
      const run = await trace(model, enter(fixture), keepAll(model), {
        ranking,
      });
      assertEquals(run.layers.length, config.decoder.layers);
      for (const [i, layer] of run.layers.entries()) {
        const state = await expected(`hidden.${i}`);
        assertClose(layer.hidden, state, hidden, `hidden states of layer ${i}`);
        const scores = await expected(`scores.${ranking}.${i}`);
        assertClose(layer.scores, scores, hidden, `scores of layer ${i}`);
      }
      assertClose(run.logits, await expected("logits"), logits, "logits");
    });
  }

  Deno.test(`runDecoder() gives a batch what it gives each sample alone (${name})`, async () => {
    const schedule = scheduleOf(model, fixture.pruned[0]);
    const batch = await trace(model, enter(fixture), schedule);
    const V = config.decoder.vocabulary;
    for (const b of [0, 1]) {
      const state = embedPrompts(model, embedImages(model, [images[b]]), [
        prompts[b],
      ]);
      const alone = await trace(model, state, schedule);
      const ofBatch = batch.logits.subarray(b * V, (b + 1) * V);
      assertEquals(alone.logits, ofBatch);
    }
  });

  Deno.test(`runDecoder() continues from a cached state as if it had run through (${name})`, async () => {
    const L = config.decoder.layers;
    const schedule = scheduleOf(model, fixture.pruned[0]);
    const state = enter(fixture);
    const through = await trace(model, state, schedule);
    for (let from = 1; from < L; from++) {
      const cached = runDecoder(model, state, schedule, { to: from });
      // Twice, as a search does: entering a state must not use it up.
      for (let time = 0; time < 2; time++) {
        const rest = await trace(model, cached, schedule, { from });
        assertEquals(rest.layers, through.layers.slice(from));
        assertEquals(rest.logits, through.logits);
      }
    }
  });

  Deno.test(`the two samples of ${name} differ`, async () => {
    // Or the tests of batches could not fail.
    const features = await expected("features");
    const half = features.length / 2;
    assert(features[0] !== features[half]);
  });
}
