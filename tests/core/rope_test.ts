// Every scaling of the rotary frequencies, in one small decoder, against
// transformers (fixtures/make_families.py), with a sequence of 7 tokens and
// with one of 23.

import { assertEquals, assertThrows } from "@std/assert";
import {
  type Backend,
  checkpointNames,
  countUp,
  createReferenceBackend,
  type Decoder,
  decoderForLength,
  decoderLayer,
  type DecoderState,
  loadDecoder,
  type ModelConfig,
  parseModelConfig,
  ropeFrequencies,
  WeightLoader,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { openArrays, readDescription } from "../_families.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const configs = await readDescription("rope");
const expected = await openArrays("rope.expected");
const backend: Backend = createReferenceBackend();
const D = 18;

/** A LLaVA model with the decoder of the fixture. */
function configOf(label: string): ModelConfig {
  return parseModelConfig({
    model_type: "llava",
    text_config: configs[label],
  });
}

async function load(config: ModelConfig): Promise<Decoder> {
  const loader = new WeightLoader(backend, {
    store: await openArrays("rope"),
    names: checkpointNames(config),
    label: "rope",
  });
  const decoder = await loadDecoder(backend, loader, config.decoder);
  loader.finish();
  return decoder;
}

/** A sequence as it enters layer 0; three of its tokens pass for an image. */
async function enter(sequence: string): Promise<DecoderState> {
  const values = await expected.read(`embedded.${sequence}`);
  const S = values.length / D;
  return {
    hidden: backend.upload(values, [1, S, D]),
    positions: countUp(backend, 1, S),
    vision: { start: 1, length: 3 },
    length: S,
    scores: null,
  };
}

for (const label of Object.keys(configs)) {
  for (const sequence of ["short", "long"]) {
    Deno.test(`decoderLayer() gives transformers' hidden states with ${label} scaling, ${sequence} sequence`, async () => {
      const { decoder: { layers } } = configOf(label);
      const loaded = await load(configOf(label));
      let state = await enter(sequence);
      const decoder = decoderForLength(backend, loaded, state.length);
      for (let i = 0; i < layers; i++) {
        state = decoderLayer(backend, decoder, i, state, 3).leaving;
        assertClose(
          await backend.read(state.hidden),
          await expected.read(`${label}.${sequence}.${i}`),
          F32_TOLERANCES.hidden,
          `layer ${i}`,
        );
      }
    });
  }
}

Deno.test("a sequence keeps its frequencies when it loses tokens", async () => {
  const decoder = await load(configOf("dynamic"));
  const state = await enter("long");
  const { leaving: one } = decoderLayer(backend, decoder, 0, state, 3);
  const { leaving: two } = decoderLayer(backend, decoder, 1, one, 1);
  assertEquals(two.hidden.shape[1], 21);
  assertEquals(two.length, 23);
});

Deno.test("decoderForLength() changes only decoders whose frequencies depend on the length", async () => {
  for (const label of Object.keys(configs)) {
    const decoder = await load(configOf(label));
    const depends = label === "dynamic" || label === "longrope";
    const { headWidth: E, rope } = decoder.config;
    for (const length of [1, 12]) {
      assertEquals(decoderForLength(backend, decoder, length), decoder);
    }
    const long = decoderForLength(backend, decoder, 40);
    assertEquals(long === decoder, !depends);
    assertEquals(
      await backend.read(long.frequencies),
      ropeFrequencies(rope, E, 40),
    );
  }
});

Deno.test("decoderForLength() refuses a sequence longer than the window", async () => {
  const decoder = await load(configOf("linear"));
  const windowed = { ...decoder, config: { ...decoder.config, window: 9 } };
  assertEquals(decoderForLength(backend, windowed, 9), windowed);
  assertThrows(
    () => decoderForLength(backend, windowed, 10),
    RangeError,
    "Cannot use a sequence as it must have at most 9 tokens, for the model's sliding window is not implemented: current length is 10",
  );
});

Deno.test("ropeFrequencies() divides by the factors of LongRoPE's list", () => {
  const rope = {
    theta: 100,
    scaling: {
      type: "longrope",
      short: [1, 2],
      long: [4, 5],
      positions: 8,
      attentionFactor: 1.2,
    },
  } as const;
  assertClose(ropeFrequencies(rope, 4, 8), [1, 0.05], { relative: 1e-7 });
  assertClose(ropeFrequencies(rope, 4, 9), [0.25, 0.02], { relative: 1e-7 });
});
