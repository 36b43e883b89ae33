// Questions from files, in the tokens of small models of both families.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadModel } from "../../study/load.ts";
import {
  type DataOptions,
  loadQuestionSets,
  splitQuestions,
} from "../../study/questions.ts";
import { readDataset } from "../../io/mod.ts";
import { writeFamilyModel } from "../_family_directory.ts";
import { noise } from "../_random.ts";
import { writePng, writeQuestions, writeSmallModel } from "../_small_model.ts";

/** Runs a test in a folder of its own. */
function testIn(
  name: string,
  body: (place: string) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const place = await Deno.makeTempDir();
    try {
      await body(place);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  });
}

const dataOf = (...files: string[]): DataOptions => ({
  files,
  images: null,
});

/** Options of one data set. */
const splitOf = (file: string, calibration: number, heldout: number) => ({
  data: dataOf(file),
  calibration: { count: calibration },
  heldout: { count: heldout },
  seed: 0,
});

/** Questions about so many images each. */
const questionsAbout = (...counts: number[]) =>
  counts.flatMap((count, image) =>
    Array.from({ length: count }, (_, i) => ({
      id: `${image}.${i}`,
      image: `${image}.png`,
      question: "what ?",
      answers: ["yes"],
    }))
  );

Deno.test("splitQuestions() holds the same questions out for every seed, about other images", () => {
  const questions = questionsAbout(...Array(40).fill(3));
  const split = (seed: number) =>
    splitQuestions(questions, { calibration: 30, heldout: 60, seed });
  const first = split(0);
  assertEquals([first.calibration.length, first.heldout.length], [30, 60]);
  assertEquals(split(0), first);
  const other = split(1);
  assertEquals(other.heldout, first.heldout);
  const ids = ({ calibration }: typeof first) =>
    calibration.map(({ id }) => id).join();
  assert(ids(other) !== ids(first));
  for (const { calibration, heldout } of [first, other]) {
    const images = new Set(heldout.map(({ image }) => image));
    assert(calibration.every(({ image }) => !images.has(image)));
    // Those about one image stand side by side.
    const runs = calibration.filter(({ image }, i) =>
      image !== calibration[i - 1]?.image
    );
    assertEquals(runs.length, 10);
  }
});

Deno.test("splitQuestions() takes whole images, and half of a small file at most to search with", () => {
  const sizes = (counts: number[], calibration: number, heldout: number) => {
    const questions = questionsAbout(...counts);
    const parts = splitQuestions(questions, { calibration, heldout, seed: 0 });
    for (const part of [parts.calibration, parts.heldout]) {
      for (const [image, group] of Map.groupBy(part, ({ image }) => image)) {
        const all = questions.filter((question) => question.image === image);
        assertEquals(group.length, all.length);
      }
    }
    return [parts.calibration.length, parts.heldout.length];
  };
  assertEquals(sizes(Array(10).fill(2), 640, 2000), [10, 10]);
  assertEquals(sizes(Array(10).fill(2), 5, 7), [4, 6]);
  assertEquals(sizes([1, 1], 640, 2000), [1, 1]);
});

Deno.test("splitQuestions() refuses to judge by the images that were searched with", () => {
  for (const counts of [[10], [1], [9, 1]]) {
    assertThrows(
      () =>
        splitQuestions(questionsAbout(...counts), {
          calibration: 8,
          heldout: 8,
          seed: 0,
        }),
      RangeError,
      "must be about different images",
    );
  }
});

testIn(
  "loadQuestionSets() asks questions of a file, its answers ended by the model's stop token",
  async (place) => {
    await writeSmallModel(`${place}/model`);
    await writeQuestions(place, "all.jsonl", 24, 1);
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    const file = `${place}/all.jsonl`;
    const sets = await loadQuestionSets(loaded, splitOf(file, 6, 12));
    const { questions } = await readDataset([file]);
    for (const set of [sets.calibration, sets.heldout]) {
      const { samples, images, texts, dataset } = set;
      assertEquals(samples.length, texts.length);
      assertEquals(images.length, samples.length / 6);
      for (const [i, { prompt, answer, image }] of samples.entries()) {
        const question = dataset!.questions[i];
        assert(questions.some(({ id }) => id === question.id));
        const { before, after } = loaded.encodeQuestion(question.question, 1);
        assertEquals(prompt, { before, after });
        assertEquals(
          loaded.tokenizer.decode(answer),
          `${texts[i].answer} <eos>`,
        );
        assertEquals(texts[i].answer, question.answers[0]);
        const number = Number(/(\d)\.png/.exec(String(question.image))![1]);
        assertEquals(images[image], loaded.imageTiles(noise(number, 16)));
      }
    }
  },
);

testIn(
  "loadQuestionSets() forces the commonest answer, of equally common ones the first",
  async (place) => {
    await writeSmallModel(`${place}/model`);
    await writePng(`${place}/a.png`, noise(0, 16));
    await writePng(`${place}/b.png`, noise(1, 16));
    const rows = [
      {
        image: "a.png",
        question: "word1 ?",
        answers: ["word2", "word3 word4", "word5", "word3 word4", "word2"],
      },
      {
        image: "b.png",
        question: "word6 ?",
        answers: ["word8", "", "", "", "word7 word9", "word7 word9"],
      },
    ];
    const file = `${place}/q.jsonl`;
    await Deno.writeTextFile(
      file,
      rows.map((row) => JSON.stringify(row)).join("\n"),
    );
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    const { calibration, heldout } = await loadQuestionSets(
      loaded,
      splitOf(file, 1, 1),
    );
    const answers = [calibration, heldout].map(({ texts: [{ answer }] }) =>
      answer
    );
    assertEquals(answers.sort(), ["word2", "word7 word9"]);
  },
);

testIn(
  "loadQuestionSets() ends no answer that the model ends by its length",
  async (place) => {
    await writeQuestions(place, "all.jsonl", 8, 1);
    await writeSmallModel(`${place}/model`);
    const generation = JSON.stringify({ eos_token_id: 2, max_new_tokens: 1 });
    await Deno.writeTextFile(
      `${place}/model/generation_config.json`,
      generation,
    );
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    const { heldout } = await loadQuestionSets(
      loaded,
      splitOf(`${place}/all.jsonl`, 4, 4),
    );
    assert(heldout.samples.every(({ answer }) => answer.length === 1));
  },
);

testIn(
  "loadQuestionSets() cuts images of any size into the tiles that InternVL2 wants",
  async (place) => {
    await writeFamilyModel(`${place}/model`, "internvl2_qwen2_a");
    await writePng(`${place}/square.png`, noise(0, 20));
    const wide = noise(1, 60);
    await writePng(`${place}/wide.png`, {
      width: 60,
      height: 20,
      data: wide.data.slice(0, 60 * 20 * 3),
    });
    const rows = ["square", "wide"].map((name) =>
      JSON.stringify({
        image: `${name}.png`,
        question: "what?",
        answer: "a cat",
      })
    );
    const file = `${place}/q.jsonl`;
    await Deno.writeTextFile(file, rows.join("\n"));
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    const { calibration, heldout } = await loadQuestionSets(
      loaded,
      splitOf(file, 1, 1),
    );
    const tiles = [calibration, heldout].flatMap(({ images }) =>
      images.map(({ length }) => length)
    );
    // 3 × 1 and the thumbnail.
    assertEquals(tiles.sort(), [1, 4]);
    for (const { samples: [{ answer }] } of [calibration, heldout]) {
      assertEquals(loaded.tokenizer.decode(answer), "a cat<|im_end|>");
    }
  },
);

testIn(
  "loadQuestionSets() finds the images and the part of a file that it is told, and writes choices out",
  async (place) => {
    await writeFamilyModel(`${place}/model`, "internvl2_qwen2_a");
    const problem = (split: string, image: string | null) => ({
      question: "what?",
      choices: ["a cat", "a dog"],
      answer: 1,
      hint: "",
      image,
      split,
    });
    const file = `${place}/problems.json`;
    await Deno.writeTextFile(
      file,
      JSON.stringify({
        1: problem("test", "image.png"),
        2: problem("test", "image.png"),
        3: problem("train", null),
        4: problem("train", "image.png"),
        5: problem("train", null),
      }),
    );
    for (const id of [1, 2]) {
      await Deno.mkdir(`${place}/pictures/test/${id}`, { recursive: true });
      await writePng(`${place}/pictures/test/${id}/image.png`, noise(id, 16));
    }
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    const options = (split: string) => ({
      ...splitOf(file, 1, 1),
      data: { files: [`${file}#${split}`], images: `${place}/pictures` },
    });
    const { heldout } = await loadQuestionSets(loaded, options("test"));
    const [{ prompt, answer }] = heldout.samples;
    const { tokenizer } = loaded;
    assert(
      tokenizer.decode(prompt.after).includes(
        "what?\nA. a cat\nB. a dog\nAnswer with the option's letter",
      ),
    );
    assertEquals(tokenizer.decode(answer), "B<|im_end|>");
    await assertRejects(
      () => loadQuestionSets(loaded, options("train")),
      RangeError,
      `Cannot use ${file}#train as all its questions must have an image: 2 have none, with ids 3, 5`,
    );
  },
);

testIn(
  "loadQuestionSets() takes no file of its own beside a data set",
  async (place) => {
    await writeSmallModel(`${place}/model`);
    await writeQuestions(place, "all.jsonl", 8, 1);
    const file = `${place}/all.jsonl`;
    const loaded = await loadModel(`${place}/model`, { device: "reference" });
    await assertRejects(
      () =>
        loadQuestionSets(loaded, {
          ...splitOf(file, 4, 4),
          heldout: { file },
        }),
      RangeError,
      `Cannot take questions from ${file} as --data names the file of all`,
    );
  },
);
