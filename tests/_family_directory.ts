// Fixtures of families/ as model folders: with a tokenizer of the kind that their
// checkpoints have, and a vocabulary of its size.

import { openArrays, readDescription } from "./_families.ts";
import { randomFloats, seededRandom } from "./_random.ts";
import { float32File } from "./_safetensors.ts";
import prompts from "./fixtures/text_prompts.json" with { type: "json" };
import tokenizers from "./fixtures/text_tokenizers.json" with { type: "json" };

/** Fixtures that can be written as folders; both have the tokenizer of Qwen2. */
export type FamilyDirectory = "internvl2_qwen2_a" | "internvl_a";

/** What stands in a folder besides config, weights and tokenizer. */
const FILES: Readonly<
  Record<FamilyDirectory, Readonly<Record<string, string>>>
> = {
  // As published: CLIP's, which the original code does not look at.
  "internvl2_qwen2_a": {
    "preprocessor_config.json": JSON.stringify({
      crop_size: 448,
      image_processor_type: "CLIPFeatureExtractor",
      size: 448,
    }),
    "generation_config.json": JSON.stringify({ eos_token_id: [480, 482] }),
  },
  "internvl_a": {
    "processor_config.json": JSON.stringify({
      image_processor: {
        image_processor_type: "GotOcr2ImageProcessor",
        size: { height: 16, width: 16 },
        crop_to_patches: false,
        image_mean: [0.485, 0.456, 0.406],
        image_std: [0.229, 0.224, 0.225],
      },
      image_seq_length: 4,
      processor_class: "InternVLProcessor",
    }),
    "generation_config.json": JSON.stringify({ eos_token_id: 482 }),
    "chat_template.jinja": prompts.processors.internvl.template,
  },
};

/** Id of `<IMG_CONTEXT>`, and the number of ids. */
export const QWEN2 = { imageToken: 485, vocabulary: 493 } as const;

/** Writes a fixture as a model's folder. */
export async function writeFamilyModel(
  directory: string,
  name: FamilyDirectory,
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const write = (file: string, text: string): Promise<void> =>
    Deno.writeTextFile(`${directory}/${file}`, text);
  const { config } = await readDescription(name) as {
    config: Record<string, Record<string, unknown> | number | undefined>;
  };
  const decoder = config.llm_config ?? config.text_config;
  (decoder as Record<string, unknown>).vocab_size = QWEN2.vocabulary;
  if ("image_token_id" in config) config.image_token_id = QWEN2.imageToken;
  await write("config.json", JSON.stringify(config));
  await write("tokenizer.json", JSON.stringify(tokenizers.qwen2));
  for (const [file, text] of Object.entries(FILES[name])) {
    await write(file, text);
  }
  await Deno.writeFile(
    `${directory}/model.safetensors`,
    await enlarged(name),
  );
}

/** The fixture's weights, with a row for each token of the larger vocabulary. */
async function enlarged(name: string): Promise<Uint8Array> {
  const { tensors, read } = await openArrays(name);
  const random = seededRandom(1);
  const all: Record<string, { shape: number[]; values: number[] }> = {};
  for (const [name, { shape: [O, ...rest] }] of tensors) {
    const isTable = /embed_tokens|lm_head/.test(name);
    all[name] = isTable
      ? {
        shape: [QWEN2.vocabulary, ...rest],
        values: [...randomFloats(random, QWEN2.vocabulary * rest[0])],
      }
      : { shape: [O, ...rest], values: [...await read(name)] };
  }
  return float32File(all);
}
