// A model that runs in milliseconds, as files: fixture llava_a in the layout of
// a Hugging Face directory, with PNG images and questions about them.

import sharp from "sharp";
import { openSafetensors, type RgbImage } from "../core/mod.ts";
import { openFile } from "../io/files.ts";
import { noise, randomInteger, seededRandom } from "./_random.ts";
import { float32File } from "./_safetensors.ts";

const FIXTURE = new URL("fixtures/llava_a", import.meta.url).pathname;

/** What its words are: `<bos>` is 1, `<image>` 3, as its config.json says. */
const WORDS: readonly string[] = [
  ..."<pad> <bos> <eos> <image> ?".split(" "),
  ...Array.from({ length: 26 }, (_, i) => `word${i}`),
];
const SPECIAL = 4;

/** That of models/tiny. */
const TEMPLATE =
  "<bos>{% for message in messages %}{{ message.content }} {% endfor %}";

/** Sizes of the model. */
export const SMALL = {
  layers: 4,
  visionTokens: 16,
  imageSize: 16,
  imageToken: 3,
  vocabulary: 31,
} as const;

/**
 * Writes all files of a model's folder.
 *
 * @param layers how many of its decoder layers there are, the first ones
 */
export async function writeSmallModel(
  directory: string,
  layers: number = SMALL.layers,
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const write = (file: string, value: unknown): Promise<void> =>
    Deno.writeTextFile(`${directory}/${file}`, JSON.stringify(value));
  const { config, preprocessor } = JSON.parse(
    await Deno.readTextFile(`${FIXTURE}.json`),
  );
  config.text_config.num_hidden_layers = layers;
  await write("config.json", config);
  await write("preprocessor_config.json", {
    ...preprocessor,
    size: { shortest_edge: SMALL.imageSize },
    crop_size: SMALL.imageSize,
  });
  await write("generation_config.json", { eos_token_id: 2 });
  await Deno.writeTextFile(`${directory}/chat_template.jinja`, TEMPLATE);
  await write("tokenizer.json", {
    added_tokens: WORDS.slice(0, SPECIAL).map((content, id) => ({
      id,
      content,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  });
  await Deno.writeFile(
    `${directory}/model.safetensors`,
    await firstLayers(layers),
  );
}

/** The fixture's weights without its deeper decoder layers. */
async function firstLayers(layers: number): Promise<Uint8Array> {
  const path = `${FIXTURE}.safetensors`;
  const { tensors, read } = await openSafetensors(await openFile(path), path);
  const kept: Record<string, { shape: number[]; values: number[] }> = {};
  for (const [name, { shape }] of tensors) {
    const layer = /language_model\.model\.layers\.(\d+)/.exec(name)?.[1];
    if (layer !== undefined && Number(layer) >= layers) continue;
    kept[name] = { shape: [...shape], values: [...await read(name)] };
  }
  return float32File(kept);
}

/** Writes an image as PNG. */
export async function writePng(
  path: string,
  { width, height, data }: RgbImage,
): Promise<void> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png().toBuffer();
  await Deno.writeFile(path, png);
}

/**
 * Writes a question file and its images, image0.png to image3.png, beside it.
 * Questions are of two lengths; the answers are random words.
 *
 * @param image what the images are called instead
 */
export async function writeQuestions(
  directory: string,
  file: string,
  count: number,
  seed: number,
  image: string = "image",
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for (let i = 0; i < 4; i++) {
    await writePng(
      `${directory}/${image}${i}.png`,
      noise(i, SMALL.imageSize),
    );
  }
  const random = seededRandom(seed);
  const word = (): string =>
    WORDS[randomInteger(random, SPECIAL + 1, WORDS.length - 1)];
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      image: `${image}${i % 4}.png`,
      question: i % 3 === 0 ? `${word()} ?` : `${word()} ${word()} ?`,
      answer: word(),
    }));
  await Deno.writeTextFile(`${directory}/${file}`, lines.join("\n") + "\n");
}
