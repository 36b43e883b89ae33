// Names and shapes of weights, as checkpoints of different ages have them.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  bytesInMemory,
  createReferenceBackend,
  embedTiles,
  loadVisionLanguageModel,
  type ModelSource,
  openSafetensors,
  type TensorStore,
  type WeightType,
} from "../../core/mod.ts";
import { FAMILY_FIXTURES, loadFamilyFixture } from "../_families.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "../_llava.ts";
import { float32File } from "../_safetensors.ts";

/** A store whose tensors bear other names; those renamed to null are gone. */
function renamed(
  store: TensorStore,
  rename: (name: string) => string | null,
): TensorStore {
  const oldNames = new Map<string, string>();
  for (const old of store.tensors.keys()) {
    const name = rename(old);
    if (name !== null) oldNames.set(name, old);
  }
  return {
    tensors: new Map(
      [...oldNames].map(([name, old]) => [name, store.tensors.get(old)!]),
    ),
    read: (name, rows) => store.read(oldNames.get(name)!, rows),
  };
}

/** From the names of transformers 5's save_pretrained to other ones. */
const OTHER_NAMES: Readonly<Record<string, (name: string) => string>> = {
  "saved before transformers 5": (name) =>
    name.replace(/^vision_tower\./, "vision_tower.vision_model."),
  "of the class itself": (name) =>
    name.replace(/^language_model\.lm_head\./, "lm_head.")
      .replace(/^language_model\.model\./, "model.language_model.")
      .replace(/^(vision_tower|multi_modal_projector)\./, "model.$1."),
  "of the class before transformers 5": (name) =>
    name.replace(/^language_model\.lm_head\./, "lm_head.")
      .replace(/^language_model\.model\./, "model.language_model.")
      .replace(/^vision_tower\./, "model.vision_tower.vision_model.")
      .replace(/^multi_modal_projector\./, "model.multi_modal_projector."),
};

for (const [whose, rename] of Object.entries(OTHER_NAMES)) {
  Deno.test(`loadVisionLanguageModel() knows names ${whose}`, async () => {
    const fixture = await loadLlavaFixture("llava_a");
    const { source } = fixture;
    const model = await loadVisionLanguageModel(createReferenceBackend(), {
      ...source,
      tensors: renamed(source.tensors, rename),
    });
    const other = await trace(
      model,
      enter({ ...fixture, model }),
      keepAll(model),
    );
    const usual = await trace(
      fixture.model,
      enter(fixture),
      keepAll(fixture.model),
    );
    assertEquals(other.logits, usual.logits);
  });
}

Deno.test("loadVisionLanguageModel() lists all weights that are missing or misshapen at once", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const missing = [
    "vision_tower.embeddings.class_embedding",
    "language_model.model.layers.3.mlp.up_proj.weight",
    "language_model.lm_head.weight",
  ];
  const config = {
    ...source.config,
    decoder: { ...source.config.decoder, vocabulary: 32, kvHeads: 4 },
  };
  const error = await assertRejects(
    () =>
      loadVisionLanguageModel(createReferenceBackend(), {
        ...source,
        config,
        tensors: renamed(
          source.tensors,
          (name) => missing.includes(name) ? null : name,
        ),
      }),
    TypeError,
    "Cannot use llava_a as ",
  );
  const said = error.message.split(" as ")[1].split("; ");
  const wrong = [
    "vision_tower.embeddings.class_embedding [12] is missing",
    "language_model.model.layers.3.mlp.up_proj.weight [23,16] is missing",
    "language_model.lm_head.weight [32,16] is missing",
    "language_model.model.embed_tokens.weight must have shape [32,16]: current shape is [31,16]",
    ...[0, 1, 2, 3].flatMap((layer) =>
      ["k_proj", "v_proj"].map((name) =>
        `language_model.model.layers.${layer}.self_attn.${name}.weight must have shape [24,16]: current shape is [12,16]`
      )
    ),
  ];
  assertEquals(said.sort(), wrong.sort());
});

Deno.test("loadVisionLanguageModel() names a weight that cannot be stored in fewer bits", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const large = "language_model.model.layers.2.mlp.down_proj.weight";
  const tensors: TensorStore = {
    tensors: source.tensors.tensors,
    async read(name, rows) {
      const data = await source.tensors.read(name, rows);
      return name === large ? data.map((w, i) => i === 30 ? 1e6 : w) : data;
    },
  };
  const load = (weightType: WeightType) =>
    loadVisionLanguageModel(createReferenceBackend({ weightType }), {
      ...source,
      tensors,
    });
  await load("f32");
  const error = await assertRejects(() => load("f16"), RangeError);
  assertStringIncludes(error.message, `Cannot use ${large} of llava_a: `);
  assertStringIncludes(
    error.message,
    "current value is 1000000 in row 1, column 7",
  );
});

Deno.test("loadVisionLanguageModel() refuses a checkpoint of something else", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const nothing = renamed(source.tensors, () => null);
  const error = await assertRejects(
    () =>
      loadVisionLanguageModel(createReferenceBackend(), {
        ...source,
        tensors: nothing,
      }),
    TypeError,
  );
  assertStringIncludes(
    error.message,
    "encoder.layers.0.self_attn.q_proj.weight [12,12] is missing",
  );
  assert(error.message.endsWith("; and 60 more"));
});

/** Loads a model whose weights do not matter. */
async function load(source: ModelSource): Promise<void> {
  await loadVisionLanguageModel(createReferenceBackend(), source);
}

/** A store with more tensors, which cannot be read. */
function withTensors(
  store: TensorStore,
  more: Readonly<Record<string, readonly number[]>>,
): TensorStore {
  const added = Object.entries(more).map(([name, shape]) =>
    [name, { shape }] as const
  );
  return {
    tensors: new Map([...store.tensors, ...added]),
    read: (name, rows) => store.read(name, rows),
  };
}

Deno.test("loadVisionLanguageModel() lists all weights that it does not expect", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const error = await assertRejects(
    () =>
      load({
        ...source,
        tensors: withTensors(source.tensors, {
          "language_model.model.layers.4.input_layernorm.weight": [16],
          "language_model.model.layers.0.self_attn.q_proj.bias": [24],
          "vision_tower.encoder.layers.3.layer_norm1.weight": [12],
          "lora.weight": [2, 3],
        }),
      }),
    TypeError,
  );
  assertEquals(
    error.message,
    "Cannot use llava_a as " +
      "language_model.model.layers.4.input_layernorm.weight [16] is unexpected; " +
      "language_model.model.layers.0.self_attn.q_proj.bias [24] is unexpected; " +
      "vision_tower.encoder.layers.3.layer_norm1.weight [12] is unexpected; " +
      "lora.weight [2,3] is unexpected",
  );
});

Deno.test("loadVisionLanguageModel() passes over weights that no forward pass needs", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  await load({
    ...source,
    tensors: withTensors(source.tensors, {
      "vision_tower.post_layernorm.weight": [12],
      "model.vision_tower.vision_model.post_layernorm.bias": [12],
      "vision_tower.vision_model.embeddings.position_ids": [1, 17],
      "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": [3],
    }),
  });
});

Deno.test("loadVisionLanguageModel() lists what is wrong with tensors of several weights once", async () => {
  const { source } = await loadFamilyFixture("internvl2_internlm2_a");
  const layer = "language_model.model.layers";
  const gone = `${layer}.1.attention.wqkv.weight`;
  const tensors = renamed(
    source.tensors,
    (name) => name === gone ? null : name,
  );
  const config = {
    ...source.config,
    decoder: { ...source.config.decoder, layers: 2, kvHeads: 1 },
  };
  const error = await assertRejects(
    () => load({ ...source, config, tensors }),
    TypeError,
  );
  const said = error.message.split(" as ")[1].split("; ");
  assertEquals(said.slice(0, 4), [
    `${layer}.0.attention.wqkv.weight must have shape [24,16]: current shape is [32,16]`,
    `${layer}.0.attention.wqkv.bias must have shape [24]: current shape is [32]`,
    `${layer}.1.attention.wqkv.weight [24,16] is missing`,
    `${layer}.1.attention.wqkv.bias must have shape [24]: current shape is [32]`,
  ]);
  const rest = said.slice(4);
  assertEquals(rest.length, 9); // layer 2 of the checkpoint
  for (const problem of rest) {
    assertStringIncludes(problem, `${layer}.2.`);
    assertStringIncludes(problem, " is unexpected");
  }
});

Deno.test("loadVisionLanguageModel() reads no row twice", async () => {
  for (const name of FAMILY_FIXTURES) {
    const { source } = await loadFamilyFixture(name);
    const reads: string[] = [];
    const tensors: TensorStore = {
      tensors: source.tensors.tensors,
      read: (name, rows) => {
        const { start, length } = rows!;
        for (let row = start; row < start + length; row++) {
          reads.push(`${name} ${row}`);
        }
        return source.tensors.read(name, rows);
      },
    };
    await load({ ...source, tensors });
    // A tied head is the embedding once more.
    const rows = source.config.decoder.tiedHead
      ? source.config.decoder.vocabulary
      : 0;
    const again = reads.filter((row, i) => reads.indexOf(row) !== i);
    assertEquals(
      again,
      Array.from(
        { length: rows },
        (_, row) => `language_model.model.embed_tokens.weight ${row}`,
      ),
    );
  }
});

Deno.test("loadVisionLanguageModel() takes a head of its own where the checkpoint has one", async () => {
  const { source } = await loadFamilyFixture("internvl_b");
  const { decoder } = source.config;
  assertEquals(decoder.tiedHead, false);
  const backend = createReferenceBackend();
  const head = async (tiedHead: boolean): Promise<unknown> => {
    const config = { ...source.config, decoder: { ...decoder, tiedHead } };
    const model = await loadVisionLanguageModel(backend, { ...source, config });
    return model.decoder.head;
  };
  assertEquals(await head(true), await head(false));
});

Deno.test("loadVisionLanguageModel() knows InternVL's names of the class itself", async () => {
  const { source, model, tiles } = await loadFamilyFixture("internvl_a");
  const renamedModel = await loadVisionLanguageModel(model.backend, {
    ...source,
    tensors: renamed(source.tensors, OTHER_NAMES["of the class itself"]),
  });
  assertEquals(embedTiles(renamedModel, tiles), embedTiles(model, tiles));
});

Deno.test("loadVisionLanguageModel() refuses weights that are not numbers, by name", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const norm = "language_model.model.norm.weight";
  const bytes = float32File({
    [norm]: { shape: [16], values: Array(16).fill(NaN) },
  });
  const file = await openSafetensors(bytesInMemory(bytes), "a.safetensors");
  await assertRejects(
    () =>
      load({
        ...source,
        tensors: {
          tensors: source.tensors.tensors,
          read: (name, rows) =>
            (name === norm ? file : source.tensors).read(name, rows),
        },
      }),
    RangeError,
    `Cannot read tensor "${norm}" of a.safetensors as weights must be finite: current value at index 0 is NaN`,
  );
});
