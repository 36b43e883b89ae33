// deno-lint-ignore-file camelcase -- Hugging Face's names

// The memory plan: against what is uploaded of small models of every layout, and
// on the shapes of published ones.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkRoom,
  copiesThatFit,
  formatPlan,
  type MemoryPlan,
  planMemory,
} from "../study/memory_plan.ts";
import { cpuRoom } from "../study/machine.ts";
import {
  type Backend,
  createReferenceBackend,
  type Framing,
  loadVisionLanguageModel,
  type ModelConfig,
  parseModelConfig,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../core/mod.ts";
import { openModelDirectory } from "../io/mod.ts";
import { FAMILY_FIXTURES, loadFamilyFixture } from "./_families.ts";
import {
  internLm2Config,
  internVl2Config,
  llava7bConfig,
  phi3Config,
  qwen2Config,
} from "./_published_configs.ts";

type Json = Record<string, unknown>;

const CROP: Framing = { kind: "crop", resize: null, crop: null };
const TILES: Framing = {
  kind: "tiles",
  tile: { width: 448, height: 448 },
  minTiles: 1,
  maxTiles: 12,
  thumbnail: true,
};

/** Bytes of weights, without those of a prompt. */
function weightsOf({ total, cache, activations }: MemoryPlan): number {
  return total - cache - activations;
}

/** A backend that counts what is uploaded, as if it stored weights so. */
function countingBackend(
  weightType: WeightType,
): { backend: Backend; bytes: () => number } {
  const inner = createReferenceBackend();
  let bytes = 0;
  const backend: Backend = {
    ...inner,
    upload: ((data: Float32Array, shape: readonly number[]) => {
      bytes += data.byteLength;
      return inner.upload(data, shape);
    }) as Backend["upload"],
    uploadWeight(data, shape) {
      bytes += weightBytes(weightType, shape);
      return inner.uploadWeight(data, shape);
    },
    uploadRows(shape) {
      bytes += 4 * shape.reduce((product, size) => product * size, 1);
      return inner.uploadRows(shape);
    },
    uploadWeightRows(shape) {
      bytes += weightBytes(weightType, shape);
      return inner.uploadWeightRows(shape);
    },
  };
  return { backend, bytes: () => bytes };
}

for (const weightType of WEIGHT_TYPES) {
  Deno.test(`planMemory() counts what is uploaded of every layout, in ${weightType}`, async () => {
    for (const name of FAMILY_FIXTURES) {
      const { backend, bytes } = countingBackend(weightType);
      const { model } = await loadFamilyFixture(name, backend);
      const plan = planMemory(model.config, { weightType, framing: CROP });
      assertEquals(weightsOf(plan), bytes(), name);
    }
    const { backend, bytes } = countingBackend(weightType);
    const { source, processor: { framing } } = await openModelDirectory(
      new URL("../models/tiny", import.meta.url).pathname,
    );
    await loadVisionLanguageModel(backend, source);
    const plan = planMemory(source.config, { weightType, framing });
    assertEquals(weightsOf(plan), bytes(), "models/tiny");
  });
}

/** LLaVA-1.5 as published by llava-hf, without what is by default. */
function llava(text_config: Json): ModelConfig {
  return parseModelConfig({
    model_type: "llava",
    text_config: { model_type: "llama", vocab_size: 32064, ...text_config },
    vision_config: llava7bConfig.vision_config,
  });
}

const internVl2 = (llm: Json): ModelConfig =>
  parseModelConfig(internVl2Config(llm));

/** Models, how many parameters they have, and how they see pictures. */
const PUBLISHED: Readonly<Record<string, [ModelConfig, number, Framing]>> = {
  // The last layer of CLIP, of 12.6 million, is not used.
  "LLaVA-1.5-7B": [llava({}), 7.063e9 - 12.6e6, CROP],
  "LLaVA-1.5-13B": [
    llava({
      hidden_size: 5120,
      intermediate_size: 13824,
      num_attention_heads: 40,
      num_hidden_layers: 40,
    }),
    13.351e9 - 12.6e6,
    CROP,
  ],
  "InternVL2-1B": [
    internVl2(qwen2Config),
    0.938e9,
    TILES,
  ],
  "InternVL2-2B": [
    internVl2(internLm2Config),
    2.206e9,
    TILES,
  ],
  "InternVL2-4B": [
    internVl2(phi3Config),
    4.147e9,
    TILES,
  ],
  "InternVL2-8B": [
    internVl2({
      ...internLm2Config,
      hidden_size: 4096,
      intermediate_size: 14336,
      num_attention_heads: 32,
      num_hidden_layers: 32,
    }),
    8.075e9,
    TILES,
  ],
};

for (const [name, [config, parameters, framing]] of Object.entries(PUBLISHED)) {
  Deno.test(`planMemory() knows the size of ${name}`, () => {
    const plan = planMemory(config, { weightType: "f32", framing });
    const ratio = weightsOf(plan) / 4 / parameters;
    assert(Math.abs(ratio - 1) < 1e-3, `${ratio}`);
    const int4 = planMemory(config, { weightType: "int4", framing });
    assertEquals(int4.embeddings, plan.embeddings);
    assertEquals(int4.cache, plan.cache);
    // Four bits, and 32 of every 64 weights' scale.
    const linear = int4.decoder / plan.decoder;
    assert(Math.abs(linear - 4.5 / 32) < 1e-3, `${linear}`);
  });
}

/** What a model is told that is loaded on a CPU with so much memory. */
function onCpu(
  name: string,
  weightType: WeightType,
  freeBytes: number,
): () => void {
  const [config, , framing] = PUBLISHED[name];
  const available = cpuRoom(freeBytes);
  const room = { device: "cpu", available, onCpu: available } as const;
  return () => checkRoom(name, config, { weightType, framing, room });
}

Deno.test("checkRoom() names the weights that would fit, or WebGPU", () => {
  onCpu("InternVL2-1B", "int8", 64e9)();
  assertThrows(
    onCpu("InternVL2-2B", "f32", 64e9),
    RangeError,
    "Cannot load InternVL2-2B as it takes 10.2 GB with f32 weights: 4.29 GB are available on cpu, all that WebAssembly can have; use --weights int8",
  );
  assertThrows(
    onCpu("InternVL2-1B", "f16", 1.5e9),
    RangeError,
    "1.50 GB are available on cpu; use --weights int4",
  );
  assertThrows(
    onCpu("LLaVA-1.5-7B", "f32", 64e9),
    RangeError,
    "use --device webgpu, where it takes 15.8 GB with --weights f16 and 5.88 GB with --weights int4",
  );
});

Deno.test("checkRoom() names what would fit beside a small GPU, or says that nothing would", () => {
  const [config, , framing] = PUBLISHED["InternVL2-1B"];
  const onGpu = (available: number, onCpu: number) => () =>
    checkRoom("a model", config, {
      weightType: "f32",
      framing,
      room: { device: "webgpu", available, onCpu },
    });
  onGpu(8e9, 0)();
  assertThrows(onGpu(4e9, 0), RangeError, "; use --weights f16");
  assertThrows(
    onGpu(1e9, 2e9),
    RangeError,
    "; use --device cpu --weights int8",
  );
  assertThrows(onGpu(1e9, 1e9), RangeError, "; no --weights would make it fit");
});

Deno.test("copiesThatFit() is bounded by cores and by memory", () => {
  assertEquals(copiesThatFit(1e9, { freeBytes: 64e9, cores: 8 }), 8);
  assertEquals(copiesThatFit(1e9, { freeBytes: 3.5e9, cores: 8 }), 3);
  assertEquals(copiesThatFit(4e9, { freeBytes: 3.5e9, cores: 8 }), 0);
});

Deno.test("formatPlan() lists the parts", () => {
  const plan = {
    ...{ vision: 1e6, projector: 2e6, decoder: 3e9, embeddings: 4e6 },
    ...{ cache: 5e6, activations: 6e3, total: 3.01e9 },
  };
  const parts =
    "3.01 GB (vision 1.00 MB, projector 2.00 MB, decoder 3.00 GB, embeddings 4.00 MB, KV cache 5.00 MB, activations 6.00 kB)";
  assertEquals(
    formatPlan(plan, { device: "cpu", available: 4e9, onCpu: 4e9 }),
    `${parts} of 4.00 GB available on cpu`,
  );
  // A GPU only says whether there is what was asked for.
  assertEquals(
    formatPlan(plan, { device: "webgpu", available: 3.01e9, onCpu: 4e9 }),
    `${parts} of at least 3.01 GB available on webgpu`,
  );
});
