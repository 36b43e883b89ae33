// Names and shapes of weights, as checkpoints of different ages have them.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  createReferenceBackend,
  loadLlava,
  type TensorStore,
  type WeightType,
} from "../core/mod.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "./_llava.ts";

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
    read: (name) => store.read(oldNames.get(name)!),
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
  Deno.test(`loadLlava() knows names ${whose}`, async () => {
    const fixture = await loadLlavaFixture("llava_a");
    const { source } = fixture;
    const model = await loadLlava(createReferenceBackend(), {
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

Deno.test("loadLlava() lists all weights that are missing or misshapen at once", async () => {
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
      loadLlava(createReferenceBackend(), {
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

Deno.test("loadLlava() names a weight that cannot be stored in fewer bits", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const hostile = "language_model.model.layers.2.mlp.down_proj.weight";
  const tensors: TensorStore = {
    tensors: source.tensors.tensors,
    async read(name) {
      const data = await source.tensors.read(name);
      return name === hostile ? data.map((w, i) => i === 30 ? NaN : w) : data;
    },
  };
  const load = (weightType: WeightType) =>
    loadLlava(createReferenceBackend({ weightType }), { ...source, tensors });
  await load("f32");
  const error = await assertRejects(() => load("int8"), RangeError);
  assertStringIncludes(
    error.message,
    "Cannot use layers.2.mlp.down_proj.weight of llava_a",
  );
  assertStringIncludes(
    error.message,
    "current value is NaN in row 1, column 7",
  );
});

Deno.test("loadLlava() refuses a checkpoint of something else", async () => {
  const { source } = await loadLlavaFixture("llava_a");
  const nothing = renamed(source.tensors, () => null);
  const error = await assertRejects(
    () => loadLlava(createReferenceBackend(), { ...source, tensors: nothing }),
    TypeError,
  );
  assertStringIncludes(error.message, "multi_modal_projector.linear_1.weight");
});
