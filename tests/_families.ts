// Fixtures of families/: tiny random models of every layout, two images of
// several tiles, two prompts, and everything transformers computes from them
// (fixtures/make_families.py).

import { assertEquals } from "@std/assert";
import {
  type Backend,
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  encodeImage,
  extractPatches,
  fullSchedule,
  loadVisionLanguageModel,
  type ModelConfig,
  type ModelSource,
  parseModelConfig,
  parseNormalization,
  predictNextToken,
  type Prompt,
  type RgbImage,
  type Tensor,
  type TensorStore,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { assertClose } from "./_compare.ts";
import { openTestTensors, readTestText } from "./_files.ts";
import { trace } from "./_llava.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;

/** The fixtures' names. */
export const FAMILY_FIXTURES = [
  "internvl_a",
  "internvl_b",
  "internvl2_qwen2_a",
  "internvl2_qwen2_b",
  "internvl2_internlm2_a",
  "internvl2_internlm2_b",
  "internvl2_phi3_a",
  "internvl2_phi3_b",
] as const;

/** The name of a fixture. */
export type FamilyName = typeof FAMILY_FIXTURES[number];

/** A model and what goes into it and comes out of it. B = 2 samples. */
export interface FamilyFixture {
  readonly source: ModelSource;
  readonly model: VisionLanguageModel;
  /** Of each sample. */
  readonly tiles: readonly (readonly RgbImage[])[];
  readonly prompts: readonly Prompt[];
  /** An array of transformers, by name. */
  expected(name: string): Promise<Float32Array>;
}

/** Reads the description of a fixture. */
export async function readDescription(
  name: string,
): Promise<Record<string, unknown>> {
  return JSON.parse(await readTestText(`fixtures/families/${name}.json`));
}

/** Opens the arrays of a fixture. */
export async function openArrays(name: string): Promise<TensorStore> {
  return await openTestTensors(`fixtures/families/${name}.safetensors`);
}

/** Loads a fixture, its configuration changed as asked, onto a backend. */
export async function loadFamilyFixture(
  name: FamilyName,
  backend: Backend = createReferenceBackend(),
  adapt: (config: ModelConfig) => ModelConfig = (config) => config,
): Promise<FamilyFixture> {
  const { config, preprocessor, prompts } = await readDescription(name);
  const arrays = await openArrays(`${name}.expected`);
  const source: ModelSource = {
    config: adapt(parseModelConfig(config)),
    normalization: parseNormalization(preprocessor),
    tensors: await openArrays(name),
    label: name,
  };
  const [B, count, height, width] = arrays.tensors.get("images")!.shape;
  const bytes = Uint8Array.from(await arrays.read("images"));
  const size = height * width * 3;
  const image = (at: number): RgbImage => ({
    width,
    height,
    data: bytes.slice(at * size, (at + 1) * size),
  });
  return {
    source,
    model: await loadVisionLanguageModel(backend, source),
    tiles: Array.from(
      { length: B },
      (_, b) =>
        Array.from({ length: count }, (_, tile) => image(b * count + tile)),
    ),
    prompts: prompts as Prompt[],
    expected: (array) => arrays.read(array),
  };
}

/** Tests the forward pass of all fixtures on a backend, step by step. */
export async function testFamilies(backend: Backend): Promise<void> {
  for (const name of FAMILY_FIXTURES) {
    const { model, tiles, prompts, expected } = await loadFamilyFixture(
      name,
      backend,
    );
    const { vision, decoder, visionTokens } = model.config;
    const where = `${name}, ${backend.name}`;

    Deno.test(`encodeImage() gives every hidden state of InternViT (${where})`, async () => {
      const { imageSize, patchSize, featureLayers } = vision;
      const images = tiles.flat();
      const patches = extractPatches(
        images,
        imageSize,
        patchSize,
        model.normalization,
      );
      const states: Tensor[] = [];
      const width = 3 * patchSize ** 2;
      const count = patches.length / images.length / width;
      encodeImage(
        backend,
        model.tower,
        backend.upload(patches, [images.length, count, width]),
        (state) => states.push(state),
      );
      assertEquals(states.length, featureLayers + 1);
      for (const [i, state] of states.entries()) {
        assertClose(
          await backend.read(state),
          await expected(`vision.${i}`),
          hidden,
          `vision hidden state ${i}`,
        );
      }
    });

    Deno.test(`the decoder gives transformers' hidden states and logits (${where})`, async () => {
      const N = tiles[0].length * visionTokens;
      const features = embedTiles(model, tiles);
      assertEquals(features.shape, [tiles.length, N, decoder.width]);
      assertClose(
        await backend.read(features),
        await expected("features"),
        hidden,
        "vision tokens",
      );
      const state = embedPrompts(model, features, prompts);
      assertClose(
        await backend.read(state.hidden),
        await expected("embedded"),
        hidden,
        "embedded prompts",
      );
      const all = fullSchedule(decoder.layers, N);
      const run = await trace(model, state, all);
      for (const [i, layer] of run.layers.entries()) {
        assertClose(
          layer.hidden,
          await expected(`hidden.${i}`),
          hidden,
          `hidden states of layer ${i}`,
        );
      }
      const next = await backend.read(predictNextToken(model, state, all));
      for (const actual of [run.logits, next]) {
        assertClose(actual, await expected("logits"), logits, "logits");
      }
    });
  }
}
