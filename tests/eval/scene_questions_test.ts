// The embedded task: the questions. Every answer is worked out again here, from
// the question's words and the scene's objects alone.

import { assert, assertEquals } from "@std/assert";
import {
  type Kind,
  KINDS,
  majorityShare,
  makeQuestions,
  type Question,
  VOCABULARY,
} from "../../eval/scene_questions.ts";
import {
  COLORS,
  drawScene,
  type SceneObject,
  sceneRandom,
  SHAPES,
  SIZES,
} from "../../eval/scenes.ts";

const SCENES = makeQuestions("heldout", 0, 1100);
const QUESTIONS = SCENES.flatMap(({ questions }) => questions);

const NUMBERS = "zero one two three four five six seven eight nine".split(" ");
const PLURALS: Readonly<Record<string, string>> = {
  circles: "circle",
  squares: "square",
  triangles: "triangle",
  crosses: "cross",
  rings: "ring",
};

/** The one object that satisfies a condition; more or fewer is a bad question. */
function only<T>(objects: readonly T[], condition: (o: T) => boolean): T {
  const found = objects.filter(condition);
  assertEquals(found.length, 1);
  return found[0];
}

/** The answer to a question. */
function solve(question: string, objects: readonly SceneObject[]): string {
  const shapes = objects.filter((o) => o.shape !== null)
    .map((o) => ({ ...o, color: COLORS[o.color], shape: SHAPES[o.shape!] }));
  const named = (color: string, shape: string) =>
    only(shapes, (o) => o.color === color && o.shape === shape);
  const count = (condition: (o: typeof shapes[number]) => boolean) =>
    NUMBERS[shapes.filter(condition).length];

  const rules: [pattern: RegExp, answer: (...words: string[]) => string][] = [
    [
      /^is there any (\w+) (\w+) \?$/,
      (color, shape) =>
        shapes.some((o) => o.color === color && o.shape === shape)
          ? "yes"
          : "no",
    ],
    [
      /^what color is the (\w+) \?$/,
      (shape) => only(shapes, (o) => o.shape === shape).color,
    ],
    [
      /^what shape is the (\w+) shape \?$/,
      (color) => only(shapes, (o) => o.color === color).shape,
    ],
    [/^how many shapes \?$/, () => count(() => true)],
    [
      /^how many (\w+) shapes \?$/,
      (color) => count((o) => o.color === color),
    ],
    [
      /^how many (\w+) \?$/,
      (plural) => count((o) => o.shape === PLURALS[plural]),
    ],
    [
      /^what size is the (\w+) (\w+) \?$/,
      (color, shape) => SIZES[named(color, shape).size],
    ],
    [
      /^where is the (\w+) (\w+) \?$/,
      (color, shape) => {
        const { x, y } = named(color, shape);
        // Clearly in one quadrant.
        assert(Math.abs(x - 48) > 4 && Math.abs(y - 48) > 4);
        return (y < 48 ? "top" : "bottom") + (x < 48 ? "left" : "right");
      },
    ],
    [
      /^what digit is (\w+) \?$/,
      (color) =>
        NUMBERS[
          only(objects, (o) => o.digit !== null && COLORS[o.color] === color)
            .digit!
        ],
    ],
    [
      /^is the (\w+) (\w+) (above|below) the (\w+) (\w+) \?$/,
      (color, shape, relation, otherColor, otherShape) => {
        const { y } = named(color, shape);
        const { y: other } = named(otherColor, otherShape);
        assert(Math.abs(y - other) >= 8); // clearly
        return (y < other) === (relation === "above") ? "yes" : "no";
      },
    ],
  ];
  for (const [pattern, answer] of rules) {
    const match = pattern.exec(question);
    if (match) return answer(...match.slice(1));
  }
  throw new Error(`Cannot solve "${question}"`);
}

Deno.test("makeQuestions() asks what it always asked", async () => {
  // The first 100 scenes, as the model was first evaluated on them.
  const text = SCENES.slice(0, 100).flatMap(({ questions }) => questions)
    .map(({ words, answer }) => `${words.join(" ")} ${answer}\n`).join("");
  const bytes = new TextEncoder().encode(text);
  assertEquals(
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex(),
    "57701503a09c45c534fe47f31ae7201a46c0bd565f3ea6fde21bbc50bc38889d",
  );
});

Deno.test("makeQuestions() gives true answers", () => {
  for (const { scene, questions } of SCENES) {
    for (const { words, answer } of questions) {
      const question = words.join(" ");
      assertEquals(solve(question, scene.objects), answer, question);
    }
  }
});

Deno.test("makeQuestions() makes as many questions as asked for, four to a scene", () => {
  assertEquals(QUESTIONS.length, 1100);
  for (const { questions } of SCENES.slice(0, -1)) {
    assertEquals(questions.length, 4);
    assertEquals(new Set(questions.map(({ kind }) => kind)).size, 4);
  }
  const few = makeQuestions("heldout", 0, 7, 3);
  assertEquals(few.map(({ questions }) => questions.length), [3, 3, 1]);
  assertEquals(makeQuestions("heldout", 0, 0), []);
});

Deno.test("makeQuestions() asks about the split's scenes in their order", () => {
  assertEquals(SCENES[20].scene, drawScene(sceneRandom("heldout", 0, 20)));
  // More questions begin with the same ones.
  assertEquals(makeQuestions("heldout", 0, 40), SCENES.slice(0, 10));
});

Deno.test("makeQuestions() asks all kinds equally often to within one scene's share", () => {
  for (const count of [44, 100, 401, 1100]) {
    const asked = QUESTIONS.slice(0, count);
    const counts = KINDS.map((kind) =>
      asked.filter((question) => question.kind === kind).length
    );
    assert(Math.max(...counts) - Math.min(...counts) <= 4, `${counts}`);
  }
});

Deno.test("makeQuestions() uses the words of the vocabulary", () => {
  assertEquals(new Set(VOCABULARY).size, VOCABULARY.length);
  assertEquals(
    VOCABULARY.slice(0, 5),
    ["<pad>", "<bos>", "<eos>", "<unk>", "<image>"],
  );
  const used = new Set(
    QUESTIONS.flatMap(({ words, answer }) => [...words, answer]),
  );
  for (const word of used) assert(VOCABULARY.includes(word), word);
  // And all of them but the special tokens.
  assertEquals(VOCABULARY.slice(5).filter((word) => !used.has(word)), []);
});

Deno.test("makeQuestions() leaves blind guessing little", () => {
  const bounds: [kind: Kind, share: number][] = [
    ["exist", 0.56],
    ["color", 0.22],
    ["shape", 0.27],
    ["count_color", 0.45],
    ["count_shape", 0.45],
    ["count_all", 0.28],
    ["size", 0.56],
    ["where", 0.36],
    ["read", 0.2],
    ["above", 0.56],
    ["below", 0.56],
  ];
  assertEquals(bounds.map(([kind]) => kind), [...KINDS]);
  for (const [kind, bound] of bounds) {
    const share = majorityShare(
      QUESTIONS.filter((question) => question.kind === kind),
    );
    assert(share <= bound, `${kind}: ${share}`);
  }
});

Deno.test("majorityShare() is the share of the commonest answer", () => {
  const questions = ["yes", "no", "yes", "three"].map((answer): Question => ({
    kind: "exist",
    words: [],
    answer,
  }));
  assertEquals(majorityShare(questions), 0.5);
  assertEquals(majorityShare(questions.slice(0, 1)), 1);
});
