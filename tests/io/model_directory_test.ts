// Model folders of each family, from their files to tiles, prompts and the tokens
// that end answers.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadModel } from "../../study/load.ts";
import { embedTiles } from "../../core/mod.ts";
import { makeSceneSet } from "../../eval/mod.ts";
import { type ModelDirectory, openModelDirectory } from "../../io/mod.ts";
import {
  type FamilyDirectory,
  QWEN2,
  writeFamilyModel,
} from "../_family_directory.ts";
import { noise } from "../_random.ts";
import { SMALL, writeSmallModel } from "../_small_model.ts";

/** Runs a test in a folder of its own, with a model of the fixture in it. */
async function withModel(
  name: FamilyDirectory | "llava_a",
  body: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    if (name === "llava_a") await writeSmallModel(directory);
    else await writeFamilyModel(directory, name);
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A picture from which InternVL makes 2 × 1 tiles and a thumbnail. */
const WIDE = {
  width: 44,
  height: 22,
  data: noise(3, 44).data.slice(0, 44 * 22 * 3),
};

for (const name of ["internvl2_qwen2_a", "internvl_a"] as const) {
  Deno.test(`loadModel() makes tiles and prompts as the folder of ${name} says`, async () => {
    await withModel(name, async (directory) => {
      const loaded = await loadModel(directory, { device: "reference" });
      const { model, tokenizer, stopTokens, maxTokens } = loaded;
      const end = tokenizer.tokenId("<|im_end|>")!;
      assertEquals(
        [...stopTokens].sort(),
        name === "internvl_a" ? [end] : [480, end],
      );
      assertEquals(maxTokens, null);

      const tiles = loaded.imageTiles(WIDE);
      assertEquals(tiles.length, 3);
      const { before, after, ids, vision } = loaded.encodeQuestion(
        "what is it?",
        tiles.length,
      );
      const N = 3 * model.config.visionTokens;
      assertEquals(embedTiles(model, [tiles]).shape[1], N);
      assertEquals(vision, { start: before.length, length: N });
      assertEquals(ids.filter((id) => id === QWEN2.imageToken).length, N);
      assertEquals(tokenizer.decode([before.at(-1)!, after[0]]), "<img></img>");
      // The original code writes no line break between messages.
      const separator = name === "internvl_a" ? "<|im_end|>\n" : "<|im_end|>";
      assertEquals(
        tokenizer.decode(after),
        `</img>\nwhat is it?${separator}<|im_start|>assistant\n`,
      );
    });
  });
}

Deno.test("encodeQuestion() asks models/tiny as it was asked in training", async () => {
  const { tokenizer, model, encodeQuestion, imageTiles, maxTokens } =
    await loadModel(null, { device: "cpu" });
  const { questions, samples, images } = makeSceneSet(
    tokenizer,
    model.config.imageToken as number,
    { split: "heldout", seed: 0, count: 20 },
  );
  for (const [i, { words }] of questions.entries()) {
    const { before, after } = encodeQuestion(words.join(" "), 1);
    assertEquals({ before, after }, samples[i].prompt);
  }
  // Scenes have its size already, so nothing is resampled.
  assertEquals(imageTiles(images[0][0]), images[0]);
  assertEquals(maxTokens, 1);
});

Deno.test("imageTiles() brings pictures of any size to LLaVA's", async () => {
  await withModel("llava_a", async (directory) => {
    const { imageTiles } = await loadModel(directory, { device: "reference" });
    const [tile, ...more] = imageTiles(WIDE);
    assertEquals([tile.width, tile.height, more.length], [16, 16, 0]);
  });
});

Deno.test("imageTiles() refuses a folder whose files disagree on the size", async () => {
  await withModel("llava_a", async (directory) => {
    const file = `${directory}/preprocessor_config.json`;
    await Deno.writeTextFile(file, "{}");
    const { imageTiles } = await loadModel(directory, { device: "reference" });
    assertThrows(
      () => imageTiles(WIDE),
      RangeError,
      `Cannot use ${directory} as its image processor must make pictures of 16 x 16 pixels: current size is 224 x 224`,
    );
  });
});

Deno.test("openModelDirectory() takes LLaVA-1.5's template where the folder has none", async () => {
  await withModel("llava_a", async (directory) => {
    await Deno.remove(`${directory}/chat_template.jinja`);
    const { template } = await openModelDirectory(directory);
    const pieces = template.render([
      { role: "user", content: "what?", images: 1 },
    ]);
    assertEquals(
      pieces.map(({ text }) => text).join(""),
      "USER: <image>\nwhat? ASSISTANT:",
    );
  });
});

Deno.test("openModelDirectory() finds what ends answers where generation_config.json is missing", async () => {
  const stopsOf = async (
    name: FamilyDirectory | "llava_a",
    top: Record<string, unknown>,
    text: Record<string, unknown>,
  ): Promise<readonly number[]> => {
    let stops: readonly number[] = [];
    await withModel(name, async (directory) => {
      await Deno.remove(`${directory}/generation_config.json`);
      const path = `${directory}/config.json`;
      const config = JSON.parse(await Deno.readTextFile(path));
      delete config.text_config?.eos_token_id;
      Object.assign(config, top);
      Object.assign(config.text_config ?? {}, text);
      await Deno.writeTextFile(path, JSON.stringify(config));
      stops = (await openModelDirectory(directory)).stopTokens;
    });
    return stops;
  };
  const end = (id: unknown) => ({ eos_token_id: id });
  assertEquals(await stopsOf("llava_a", {}, end(5)), [5]);
  assertEquals(await stopsOf("llava_a", {}, end([5, 6])), [5, 6]);
  assertEquals(await stopsOf("llava_a", end(7), end(5)), [7]);
  assertEquals(await stopsOf("llava_a", end(null), end(5)), [5]);
  // As LlamaConfig has it; Qwen2Config has none.
  assertEquals(await stopsOf("llava_a", {}, {}), [2]);
  assertEquals(await stopsOf("llava_a", {}, end(null)), []);
  assertEquals(await stopsOf("internvl_a", {}, end(482)), [482]);
  assertEquals(await stopsOf("internvl_a", {}, {}), []);
  const llama = { "model_type": "llama" };
  assertEquals(await stopsOf("internvl_a", {}, llama), [2]);
  // The one of its template alone.
  assertEquals(await stopsOf("internvl2_qwen2_a", {}, {}), [482]);
});

Deno.test("openModelDirectory() puts the end that the template writes first", async () => {
  const stopsOf = async (
    name: FamilyDirectory | "llava_a",
    ids: readonly number[],
    template?: string,
  ): Promise<readonly number[]> => {
    let stops: readonly number[] = [];
    await withModel(name, async (directory) => {
      await Deno.writeTextFile(
        `${directory}/generation_config.json`,
        JSON.stringify({ eos_token_id: ids }),
      );
      if (template !== undefined) {
        const path = `${directory}/chat_template.jinja`;
        await Deno.writeTextFile(path, template);
      }
      stops = (await openModelDirectory(directory)).stopTokens;
    });
    return stops;
  };
  // Its template ends turns with <|im_end|>, which is 482.
  assertEquals(await stopsOf("internvl_a", [480, 481, 482]), [482, 480, 481]);
  assertEquals(await stopsOf("internvl_a", [480, 481]), [480, 481]);
  // LLaVA-1.5's writes none.
  assertEquals(await stopsOf("llava_a", [5, 2]), [5, 2]);
  const oneTurn = "{{ raise_exception('once') if messages | length > 1 }}" +
    "<image>{{ messages[0].content }}";
  assertEquals(await stopsOf("llava_a", [5, 2], oneTurn), [5, 2]);
});

Deno.test("openModelDirectory() names the settings that nothing obeys", async () => {
  await withModel("llava_a", async (directory) => {
    const path = `${directory}/generation_config.json`;
    const json = {
      "eos_token_id": 2,
      "repetition_penalty": 1.1,
      "num_beams": 1,
    };
    await Deno.writeTextFile(path, JSON.stringify(json));
    const { ignoredSettings } = await openModelDirectory(directory);
    assertEquals(ignoredSettings, ["repetition_penalty"]);
  });
});

Deno.test("openModelDirectory() takes no end from config.json where generation_config.json has none", async () => {
  await withModel("llava_a", async (directory) => {
    await Deno.writeTextFile(`${directory}/generation_config.json`, "{}");
    assertEquals((await openModelDirectory(directory)).stopTokens, []);
  });
});

Deno.test("openModelDirectory() says what a folder lacks or has wrong", async () => {
  const refuses = async (
    name: FamilyDirectory | "llava_a",
    change: (directory: string) => Promise<void>,
    message: string,
  ): Promise<void> =>
    await withModel(name, async (directory) => {
      await change(directory);
      await assertRejects(
        (): Promise<ModelDirectory> => openModelDirectory(directory),
        Error,
        message.replaceAll("DIR", directory),
      );
    });
  await refuses(
    "llava_a",
    (directory) => Deno.remove(`${directory}/preprocessor_config.json`),
    'Cannot load DIR as it has neither preprocessor_config.json nor an "image_processor" in processor_config.json',
  );
  await refuses(
    "internvl_a",
    (directory) => Deno.remove(`${directory}/chat_template.jinja`),
    'Cannot load DIR as it has no chat template: neither chat_template.jinja, nor chat_template.json, nor "chat_template" in tokenizer_config.json',
  );
  const replaceIn = (file: string, from: string | RegExp, to: string) =>
  async (
    directory: string,
  ): Promise<void> => {
    const path = `${directory}/${file}`;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replaceAll(from, to));
  };
  await refuses(
    "internvl2_qwen2_a",
    replaceIn("tokenizer.json", "<|im_end|>", "<|end|>"),
    "Cannot load DIR as its tokenizer must have the token <|im_end|>, which ends answers",
  );
  await refuses(
    "internvl2_qwen2_a",
    replaceIn("config.json", "Hermes-2", "Hermes-3"),
    'Cannot read DIR/config.json as template must be one of "internlm2-chat", "Hermes-2", "phi3-chat", "internvl2_5": current value is "Hermes-3"',
  );
  for (const id of [`${SMALL.vocabulary}`, "-1", '"2"', "[1, 2.5]"]) {
    await refuses(
      "llava_a",
      replaceIn("generation_config.json", "2", id),
      `Cannot read DIR/generation_config.json as eos_token_id must be integers in [0, 30]: current value is ${
        id.replace(" ", "")
      }`,
    );
  }
  await refuses(
    "llava_a",
    async (directory) => {
      await Deno.remove(`${directory}/generation_config.json`);
      await replaceIn(
        "config.json",
        /"eos_token_id": ?2/g,
        '"eos_token_id":31',
      )(
        directory,
      );
    },
    "Cannot read DIR/config.json as text_config.eos_token_id must be integers in [0, 30]: current value is 31",
  );
});
