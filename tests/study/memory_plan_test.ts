// The memory plan, compared with what is uploaded of small models of every
// layout, and on the headers of published checkpoints.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkRoom,
  copiesThatFit,
  formatPlan,
  type MemoryPlan,
  planMemory,
  type PlannedModel,
} from "../../study/memory_plan.ts";
import { cpuRoom } from "../../study/machine.ts";
import {
  type Backend,
  createReferenceBackend,
  type Framing,
  loadVisionLanguageModel,
  parseModelConfig,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../../core/mod.ts";
import { openModelDirectory } from "../../io/mod.ts";
import { FAMILY_FIXTURES, loadFamilyFixture } from "../_families.ts";
import {
  internVl2Config,
  llava7bConfig,
  qwen2Config,
} from "../_published_configs.ts";
import {
  internVl2Tensors,
  llavaTensors,
  type NamedShape,
} from "../_published_tensors.ts";

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
      const { source } = await loadFamilyFixture(name, backend);
      const plan = planMemory(source, { weightType, framing: CROP });
      assertEquals(weightsOf(plan), bytes(), name);
    }
    const { backend, bytes } = countingBackend(weightType);
    const { source, processor: { framing } } = await openModelDirectory(
      new URL("../../models/tiny", import.meta.url).pathname,
    );
    await loadVisionLanguageModel(backend, source);
    const plan = planMemory(source, { weightType, framing });
    assertEquals(weightsOf(plan), bytes(), "models/tiny");
  });
}

/** What is known of a checkpoint before its weights are read. */
const published = (
  label: string,
  config: unknown,
  tensors: readonly NamedShape[],
): PlannedModel => ({
  label,
  config: parseModelConfig(config),
  tensors: {
    tensors: new Map(tensors.map(([name, shape]) => [name, { shape }])),
  },
});

const llava = published("LLaVA-1.5-7B", llava7bConfig, llavaTensors);
const internVl2 = published(
  "InternVL2-1B",
  internVl2Config(qwen2Config),
  internVl2Tensors,
);

/** Models, how many parameters they have, and how they see pictures. */
const PUBLISHED: readonly [PlannedModel, number, Framing][] = [
  // The last layer of CLIP, with 12.6 million parameters, is not used.
  [llava, 7.063e9 - 12.6e6, CROP],
  [internVl2, 0.938e9, TILES],
];

for (const [model, parameters, framing] of PUBLISHED) {
  Deno.test(`planMemory() knows the size of ${model.label}`, () => {
    const plan = planMemory(model, { weightType: "f32", framing });
    const ratio = weightsOf(plan) / 4 / parameters;
    assert(Math.abs(ratio - 1) < 1e-3, `${ratio}`);
    const int4 = planMemory(model, { weightType: "int4", framing });
    assertEquals(int4.embeddings, plan.embeddings);
    assertEquals(int4.cache, plan.cache);
    // Four bits, and 32 of every 64 weights' scale.
    const linear = int4.decoder / plan.decoder;
    assert(Math.abs(linear - 4.5 / 32) < 1e-3, `${linear}`);
  });
}

/** Checks whether a model fits on a CPU with so much memory. */
function checkCpu(
  model: PlannedModel,
  weightType: WeightType,
  freeBytes: number,
  framing: Framing = model === llava ? CROP : TILES,
): void {
  const available = cpuRoom(freeBytes);
  const room = { device: "cpu", available, onCpu: available } as const;
  checkRoom(model, { weightType, framing, room });
}

Deno.test("checkRoom() names the weights that would fit, or WebGPU", () => {
  checkCpu(internVl2, "int8", 64e9);
  assertThrows(
    () => checkCpu(internVl2, "f32", 64e9, { ...TILES, maxTiles: 24 }),
    RangeError,
    "Cannot load InternVL2-1B as it takes 4.52 GB with f32 weights: 4.29 GB are available on cpu, all that WebAssembly can have; use --weights f16",
  );
  assertThrows(
    () => checkCpu(internVl2, "f16", 1.5e9),
    RangeError,
    "1.50 GB are available on cpu; use --weights int4",
  );
  assertThrows(
    () => checkCpu(llava, "f32", 64e9),
    RangeError,
    "use --device webgpu, where it takes 15.8 GB with --weights f16 and 5.88 GB with --weights int4",
  );
});

Deno.test("checkRoom() names what would fit beside a small GPU, or says that nothing would", () => {
  const onGpu = (available: number, onCpu: number) => () =>
    checkRoom(internVl2, {
      weightType: "f32",
      framing: TILES,
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
    vision: 1e6,
    projector: 2e6,
    decoder: 3e9,
    embeddings: 4e6,
    cache: 5e6,
    activations: 6e3,
    total: 3.01e9,
  };
  const parts =
    "3.01 GB (vision 1.00 MB, projector 2.00 MB, decoder 3.00 GB, embeddings 4.00 MB, KV cache 5.00 MB, activations 6.00 kB)";
  assertEquals(
    formatPlan(plan, { device: "cpu", available: 4e9, onCpu: 4e9 }),
    `${parts} of 4.00 GB available on cpu`,
  );
  // A GPU only confirms the number of bytes that was asked for.
  assertEquals(
    formatPlan(plan, { device: "webgpu", available: 3.01e9, onCpu: 4e9 }),
    `${parts} of at least 3.01 GB available on webgpu`,
  );
});
