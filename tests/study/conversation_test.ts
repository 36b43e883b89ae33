// Questions about an image: against the model's own steps, and turn after turn.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  type Answer,
  createTextStream,
  openConversation,
} from "../../study/conversation.ts";
import { type LoadedModel, loadModel } from "../../study/load.ts";
import {
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  fromKeepCounts,
  fullSchedule,
  generate,
  loadVisionLanguageModel,
  prefill,
  type Prompt,
  type Schedule,
  splitPrompt,
} from "../../core/mod.ts";
import {
  encodePrompt,
  encodeTurn,
  type Message,
  parseTokenizer,
} from "../../io/mod.ts";
import { writeFamilyModel } from "../_family_directory.ts";
import { trace } from "../_llava.ts";
import { noise } from "../_random.ts";
import { SMALL, writeSmallModel } from "../_small_model.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

const N = SMALL.visionTokens;
const FULL = fullSchedule(SMALL.layers, N);
const PRUNED = fromKeepCounts([16, 12, 5, 2], N);
const IMAGE = noise(5, SMALL.imageSize);
const silent = (): void => {};

const backend = createTrackingBackend(createReferenceBackend());

/** The small model, whose tensors are kept account of. */
async function loadSmall(): Promise<LoadedModel> {
  const directory = await Deno.makeTempDir();
  try {
    await writeSmallModel(directory);
    const loaded = await loadModel(directory, { device: "reference" });
    return {
      ...loaded,
      model: await loadVisionLanguageModel(backend, loaded.source),
    };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const small = await loadSmall();

/** What the model says to a prompt, without a cache from before. */
async function answerTo(
  { model, tokenizer, stopTokens }: LoadedModel,
  prompt: Prompt,
  schedule: Schedule,
  maxTokens: number,
): Promise<string> {
  const state = embedPrompts(model, embedTiles(model, [[IMAGE]]), [prompt]);
  const ids: number[] = [];
  const context = prefill(model, state, schedule);
  const options = { stopTokens, maxTokens };
  for await (const id of generate(model, context, options)) ids.push(id);
  return tokenizer.decode(ids, { skipSpecial: true });
}

Deno.test("ask() streams what the model generates, and counts what it took", async () => {
  const { ask } = await openConversation(small, [IMAGE], {
    schedule: PRUNED,
    maxTokens: 4,
  });
  for (const question of ["word1 word7 ?", "word3 ?"]) {
    const prompt = small.encodeQuestion(question, 1);
    const parts: string[] = [];
    const answer = await ask(question, (text) => parts.push(text));
    assertEquals(answer.text, await answerTo(small, prompt, PRUNED, 4));
    assertEquals(parts.join(""), answer.text);
    assert(parts.length > 1, "all at once");
    assertEquals([answer.question, answer.tokens], [question, 4]);
    assert(answer.vision > 0 && answer.prefill > 0 && answer.decode! > 0);

    const { heads, kvHeads, headWidth } = small.model.config.decoder;
    assert(kvHeads < heads);
    const words = prompt.before.length + prompt.after.length;
    const tokens = PRUNED.keep.reduce((sum, count) => sum + count + words, 0);
    assertEquals(answer.cacheBytes, 4 * tokens * 2 * kvHeads * headWidth);
  }
});

Deno.test("ask() tells which vision tokens each layer has seen", async () => {
  const { model } = small;
  const question = "word1 word7 ?";
  const { ask } = await openConversation(small, [IMAGE], {
    schedule: PRUNED,
    maxTokens: 2,
  });
  const answer = await ask(question, silent);
  const prompt = small.encodeQuestion(question, 1);
  const state = embedPrompts(model, embedTiles(model, [[IMAGE]]), [prompt]);
  const { layers } = await trace(model, state, PRUNED);
  for (const [layer, { positions }] of layers.entries()) {
    const seen = [...positions].map((id) => id - prompt.before.length)
      .filter((token) => token >= 0 && token < N);
    assertEquals(await answer.kept(layer), seen);
    assertEquals(seen.length, PRUNED.keep[layer]);
  }
});

Deno.test("goOn() answers as to the whole conversation at once when nothing is removed", async () => {
  const { goOn } = await openConversation(small, [IMAGE], {
    schedule: FULL,
    maxTokens: 3,
  });
  const messages: Message[] = [];
  const questions = ["word3 ?", "word12 word3 ?", "word15 word2 ?"];
  for (const [i, content] of questions.entries()) {
    const images = i === 0 ? 1 : 0;
    messages.push({ role: "user", content, images });
    const { ids } = encodePrompt(
      small.tokenizer,
      small.template.render(messages),
      { format: small.format, visionTokens: 1 },
    );
    const whole = splitPrompt(ids, SMALL.imageToken);
    const { text, tokens } = await goOn(content, silent);
    // A special token among them would be in the cache and not in the text.
    assertEquals(tokens, text.split(" ").length);
    assertEquals(text, await answerTo(small, whole, FULL, 3), content);
    messages.push({ role: "assistant", content: text });
  }
});

Deno.test("goOn() sees what the first question kept, and ask() begins anew", async () => {
  const { ask, goOn } = await openConversation(small, [IMAGE], {
    schedule: PRUNED,
    maxTokens: 3,
  });
  const kept = async (answer: Answer): Promise<number[]> =>
    await answer.kept(3);
  const first = await kept(await goOn("word1 word7 ?", silent));
  const alone = await kept(await ask("word20 word21 word22 ?", silent));
  assertNotEquals(first, alone); // or this would show nothing
  assertEquals(await kept(await ask("word1 word7 ?", silent)), first);
  const later = await goOn("word20 word21 word22 ?", silent);
  assertEquals(await kept(later), first);
});

Deno.test("a conversation frees what it does not need any more", async () => {
  const { ask, goOn } = await openConversation(small, [IMAGE], {
    schedule: PRUNED,
    maxTokens: 3,
  });
  await ask("word1 ?", silent);
  const live = backend.live();
  for (let i = 0; i < 2; i++) {
    await goOn("word2 ?", silent);
    await ask("word1 ?", silent);
    assertEquals(backend.live(), live);
  }
});

Deno.test("ask() answers where the model has more tokens than its tokenizer", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeSmallModel(directory);
    const path = `${directory}/tokenizer.json`;
    const json = JSON.parse(await Deno.readTextFile(path));
    const question = "word1 word7 ?";
    const options = { schedule: PRUNED, maxTokens: 4 };
    const { ask } = await openConversation(small, [IMAGE], options);
    const words = (await ask(question, silent)).text.split(" ");
    const spare = words.find((word) => !question.split(" ").includes(word))!;
    delete json.model.vocab[spare];
    const tokenizer = parseTokenizer(JSON.stringify(json));
    const fewer = await openConversation(
      { ...small, tokenizer },
      [IMAGE],
      options,
    );
    const { text, tokens } = await fewer.ask(question, silent);
    assertEquals(text, words.filter((word) => word !== spare).join(" "));
    assertEquals(tokens, 4);
    assertEquals((await fewer.goOn("word3 ?", silent)).tokens, 4);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("goOn() goes on from the first prompt and the answer's own tokens, with special tokens where they are wanted", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeFamilyModel(directory, "internvl2_qwen2_a");
    const loaded = await loadModel(directory, { device: "cpu" });
    const { model, tokenizer, template, stopTokens } = loaded;
    const tiles = loaded.imageTiles({
      width: 16,
      height: 16,
      data: new Uint8Array(768),
    });
    const { layers } = model.config.decoder;
    const { visionTokens } = model.config;
    const schedule = fullSchedule(layers, tiles.length * visionTokens);
    const generateFrom = async (prompt: Prompt): Promise<number[]> => {
      const seen = embedTiles(model, [tiles]);
      const state = embedPrompts(model, seen, [prompt]);
      const ids: number[] = [];
      const options = { stopTokens, maxTokens: 9 };
      const context = prefill(model, state, schedule);
      for await (const id of generate(model, context, options)) ids.push(id);
      return ids;
    };
    const said = (ids: readonly number[]): string => {
      const { push, finish } = createTextStream(tokenizer);
      return ids.map(push).join("") + finish();
    };
    const [first, second] = ["where is <ref>it</ref>?", "and <box>?"];
    const texts: string[] = [];
    for (const specialTokens of [false, true]) {
      const conversation = await openConversation(loaded, tiles, {
        schedule,
        maxTokens: 9,
        specialTokens,
      });
      const prompt = loaded.encodeQuestion(first, tiles.length, {
        specialTokens,
      });
      const answer = await generateFrom(prompt);
      const { text } = await conversation.ask(first, silent);
      assertEquals(text, said(answer));
      const messages: Message[] = [
        { role: "user", content: first, images: 1 },
        { role: "assistant", content: text },
        { role: "user", content: second },
      ];
      const turn = encodeTurn(tokenizer, template, messages, { specialTokens });
      const whole = await generateFrom({
        before: prompt.before,
        after: [...prompt.after, ...answer, ...turn],
      });
      const { text: later } = await conversation.goOn(second, silent);
      assertEquals(later, said(whole));
      texts.push(text, later);
    }
    assertNotEquals(texts.slice(0, 2), texts.slice(2));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a conversation about several tiles takes InternVL2's template and ends with its tokens", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeFamilyModel(directory, "internvl2_qwen2_a");
    const loaded = await loadModel(directory, { device: "cpu" });
    const picture = { width: 32, height: 16, data: new Uint8Array(1536) };
    const tiles = loaded.imageTiles(picture);
    assertEquals(tiles.length, 3);
    const { layers } = loaded.model.config.decoder;
    const visionTokens = 3 * loaded.model.config.visionTokens;
    const options = {
      schedule: fullSchedule(layers, visionTokens),
      maxTokens: 12,
    };
    const { ask } = await openConversation(loaded, tiles, options);
    const { text, tokens } = await ask("what is it?", silent);
    assert(tokens > 0);
    const again = await openConversation(loaded, tiles, options);
    assertEquals((await again.ask("what is it?", silent)).text, text);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
