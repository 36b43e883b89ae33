/**
 * The embedded task, part two: questions in words about a scene, with one-word
 * answers. Each kind is drawn so that its answers are about equally frequent;
 * `majorityShare` reports the remaining imbalance.
 *
 * This module is browser compatible.
 */

import type { Random } from "../core/random.ts";
import {
  COLORS,
  drawScene,
  type Scene,
  SCENE_SIZE,
  type SceneObject,
  sceneRandom,
  SHAPES,
  SIZES,
  type Split,
} from "./scenes.ts";

/** The kinds of question; the order gives their numbers. */
export const KINDS = [
  "exist",
  "color",
  "shape",
  "count_color",
  "count_shape",
  "count_all",
  "size",
  "where",
  "read",
  "above",
  "below",
] as const;

/** A kind of question. */
export type Kind = typeof KINDS[number];

/** A question about a scene and its one-word answer. */
export interface Question {
  /** Its kind. */
  readonly kind: Kind;
  /** The question's words, one token each. */
  readonly words: readonly string[];
  /** One word of the vocabulary. */
  readonly answer: string;
}

const DIGITS = "zero one two three four five six seven eight nine".split(" ");
const QUADRANTS = ["topleft", "topright", "bottomleft", "bottomright"];
const plural = (shape: string): string =>
  shape === "cross" ? "crosses" : `${shape}s`;

/**
 * The whole vocabulary; the index of a word is its token id. The first five words
 * are the special tokens of the tokenizer.
 */
export const VOCABULARY: readonly string[] = [
  ..."<pad> <bos> <eos> <unk> <image>".split(" "),
  ..."? is there any what color the shape size how many shapes digit where"
    .split(
      " ",
    ),
  ..."above below yes no".split(" "),
  ...QUADRANTS,
  ...COLORS,
  ...SHAPES,
  ...SHAPES.map(plural),
  ...SIZES,
  ...DIGITS,
];

/** Least vertical distance of objects for above/below questions, in pixels. */
const CLEAR_OFFSET = 8;
/** Least distance from the middle of the image for quadrant questions, in pixels. */
const MIDDLE_MARGIN = 4;

type Shape = SceneObject & { readonly shape: number };

/**
 * Asks one question of a kind, or returns null if the scene does not allow it (for
 * example, no shape has a unique colour).
 */
export function ask(
  random: Random,
  scene: Scene,
  kind: Kind,
): Question | null {
  const shapes = scene.objects.filter((o): o is Shape => o.shape !== null);
  const make = (text: string, answer: string): Question => ({
    kind,
    words: [...text.split(" "), "?"],
    answer,
  });
  const name = (o: Shape): string => `${COLORS[o.color]} ${SHAPES[o.shape]}`;

  switch (kind) {
    case "exist":
      return askExist(random, shapes, make);
    case "color": {
      const one = pickOrNull(
        random,
        shapes.filter((o) => isOnly(shapes, o, "shape")),
      );
      return one &&
        make(`what color is the ${SHAPES[one.shape]}`, COLORS[one.color]);
    }
    case "shape": {
      const one = pickOrNull(
        random,
        shapes.filter((o) => isOnly(shapes, o, "color")),
      );
      return one &&
        make(`what shape is the ${COLORS[one.color]} shape`, SHAPES[one.shape]);
    }
    case "count_color": {
      const [color, count] = pickCount(
        random,
        shapes.map((o) => o.color),
        COLORS.length,
      );
      return make(`how many ${COLORS[color]} shapes`, DIGITS[count]);
    }
    case "count_shape": {
      const [shape, count] = pickCount(
        random,
        shapes.map((o) => o.shape),
        SHAPES.length,
      );
      return make(`how many ${plural(SHAPES[shape])}`, DIGITS[count]);
    }
    case "count_all":
      return make("how many shapes", DIGITS[shapes.length]);
    case "size": {
      // The size is drawn first, because unique small shapes are more frequent.
      const unique = shapes.filter((o) => isUnique(shapes, o));
      const wanted = random.below(2);
      const one = pickOrNull(random, unique.filter((o) => o.size === wanted)) ??
        pickOrNull(random, unique);
      return one && make(`what size is the ${name(one)}`, SIZES[one.size]);
    }
    case "where": {
      const middle = SCENE_SIZE / 2;
      const clear = shapes.filter((o) =>
        isUnique(shapes, o) && Math.abs(o.x - middle) > MIDDLE_MARGIN &&
        Math.abs(o.y - middle) > MIDDLE_MARGIN
      );
      const one = pickOrNull(random, clear);
      return one && make(
        `where is the ${name(one)}`,
        QUADRANTS[(one.y < middle ? 0 : 2) + (one.x < middle ? 0 : 1)],
      );
    }
    case "read": {
      // Digits of one scene differ in colour.
      const one = pickOrNull(
        random,
        scene.objects.filter((o) => o.digit !== null),
      );
      return one &&
        make(`what digit is ${COLORS[one.color]}`, DIGITS[one.digit!]);
    }
    case "above":
    case "below":
      return askRelation(random, shapes, kind, make, name);
  }
}

type Make = (text: string, answer: string) => Question;

/**
 * Half of the answers are yes. Most "no" questions combine a colour and a shape
 * that both occur, but not together.
 */
function askExist(
  random: Random,
  shapes: readonly Shape[],
  make: Make,
): Question {
  const present = new Set(shapes.map((o) => o.color * SHAPES.length + o.shape));
  const text = (code: number): string =>
    `is there any ${COLORS[Math.floor(code / SHAPES.length)]} ${
      SHAPES[code % SHAPES.length]
    }`;
  if (random.uniform() < 0.5) {
    return make(text(random.pick([...present])), "yes");
  }

  const absent = Array.from(
    { length: COLORS.length * SHAPES.length },
    (_, code) => code,
  ).filter((code) => !present.has(code));
  const tempting = absent.filter((code) =>
    shapes.some((o) => o.color === Math.floor(code / SHAPES.length)) &&
    shapes.some((o) => o.shape === code % SHAPES.length)
  );
  const from = tempting.length > 0 && random.uniform() < 0.75
    ? tempting
    : absent;
  return make(text(random.pick(from)), "no");
}

/** Is A above (below) B? Half of the answers are yes. */
function askRelation(
  random: Random,
  shapes: readonly Shape[],
  kind: "above" | "below",
  make: Make,
  name: (o: Shape) => string,
): Question | null {
  const unique = shapes.filter((o) => isUnique(shapes, o));
  const pairs = unique.flatMap((a) =>
    unique.filter((b) => b.y - a.y >= CLEAR_OFFSET).map((b) => [a, b] as const)
  );
  const pair = pickOrNull(random, pairs);
  if (pair === null) return null;
  const yes = random.uniform() < 0.5;
  const [upper, lower] = pair;
  const [first, second] = (kind === "above") === yes
    ? [upper, lower]
    : [lower, upper];
  return make(
    `is the ${name(first)} ${kind} the ${name(second)}`,
    yes ? "yes" : "no",
  );
}

/** Whether no other shape has this one's colour (or kind). */
function isOnly(
  shapes: readonly Shape[],
  one: Shape,
  by: "color" | "shape",
): boolean {
  return shapes.every((o) => o === one || o[by] !== one[by]);
}

/** Whether no other shape has this one's colour and kind. */
function isUnique(shapes: readonly Shape[], one: Shape): boolean {
  return shapes.every((o) =>
    o === one || o.color !== one.color || o.shape !== one.shape
  );
}

/** A value in [0, n) and its count; all counts that occur are equally likely. */
function pickCount(
  random: Random,
  values: readonly number[],
  n: number,
): [value: number, count: number] {
  const counts = new Array<number>(n).fill(0);
  for (const value of values) counts[value]++;
  const count = random.pick([...new Set(counts)].sort((a, b) => a - b));
  const value = random.pick(counts.flatMap((c, v) => c === count ? [v] : []));
  return [value, count];
}

function pickOrNull<T>(random: Random, items: readonly T[]): T | null {
  return items.length === 0 ? null : random.pick(items);
}

/** A scene with the questions asked about it. */
export interface QuestionedScene {
  /** The image and its contents. */
  readonly scene: Scene;
  /** At least one question. */
  readonly questions: readonly Question[];
}

/**
 * The first `count` questions of a split. Each scene gets the kinds that were
 * asked least so far, so that all kinds are about equally frequent.
 *
 * @param questionsPerScene the most questions about one image
 */
export function makeQuestions(
  split: Split,
  seed: number,
  count: number,
  questionsPerScene: number = 4,
): QuestionedScene[] {
  const asked = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
  const scenes: QuestionedScene[] = [];
  let made = 0;
  for (let index = 0; made < count; index++) {
    const random = sceneRandom(split, seed, index);
    const scene = drawScene(random);
    const questions: Question[] = [];
    const rarest = [...KINDS].sort((a, b) => asked.get(a)! - asked.get(b)!);
    for (const kind of rarest) {
      if (questions.length === questionsPerScene || made === count) break;
      const question = ask(random, scene, kind);
      if (question === null) continue;
      questions.push(question);
      asked.set(kind, asked.get(kind)! + 1);
      made++;
    }
    scenes.push({ scene, questions });
  }
  return scenes;
}

/** Share of the most frequent answer: the accuracy of guessing without the image. */
export function majorityShare(
  questions: readonly Pick<Question, "answer">[],
): number {
  const counts = new Map<string, number>();
  for (const { answer } of questions) {
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  return Math.max(...counts.values()) / questions.length;
}
