/**
 * Questions for a model, from the embedded task or from files: loaded, encoded
 * in the model's tokens, split by image, with their images held in memory.
 */

import { createRandom, type ModelConfig } from "../core/mod.ts";
import {
  makeSceneSet,
  type Sample,
  type SampleSet,
  SCENE_SIZE,
  type Split,
} from "../eval/mod.ts";
import {
  type Dataset,
  decodeImage,
  type Question,
  questionText,
  readBytes,
  readDataset,
  type ReadDatasetOptions,
  type Tokenizer,
} from "../io/mod.ts";
import { DEFAULT_COUNTS } from "./defaults.ts";
import type { LoadedModel } from "./load.ts";
import { freeMemory } from "./machine.ts";
import { formatBytes } from "./memory_plan.ts";

/** Questions to run a model on, with the kind of each for tables. */
export interface QuestionSet extends SampleSet {
  /** "exist", "color", …; "all" for questions from a file. */
  readonly kinds: readonly string[];
  /** The questions and right answers in words. */
  readonly texts: readonly {
    readonly question: string;
    readonly answer: string;
  }[];
  /**
   * The questions as read from the file, in the same order; null for the
   * embedded task.
   */
  readonly dataset: Dataset | null;
}

/** The number of questions that errors list. */
const MAX_LISTED = 20;

/**
 * The source of questions: a number of questions of the embedded task, or a
 * file.
 */
export type QuestionSource = { readonly count: number } | {
  readonly file: string;
};

/** One data set for both parts, and how to read question files. */
export interface DataOptions {
  /** The files of one data set; none where there are two sources. */
  readonly files: readonly string[];
  /**
   * The folder that image paths are relative to; null for the folder of the
   * question file.
   */
  readonly images?: string | null;
}

/** The questions to search with, and those to judge the result. */
export interface QuestionSets {
  /** For searching. */
  readonly calibration: QuestionSet;
  /** For judging the result. */
  readonly heldout: QuestionSet;
}

/** The questions of a study. */
export interface QuestionOptions {
  /** The questions to search with. Default: 2,000 of the embedded task. */
  readonly calibration?: QuestionSource;
  /**
   * The questions that the result is judged on. Default: 2,000 of the embedded
   * task.
   */
  readonly heldout?: QuestionSource;
  /** One data set that both sets of questions are taken from. Default: none. */
  readonly data?: DataOptions;
  /** The seed that selects the questions to search with. Default 0. */
  readonly seed?: number;
}

/**
 * Loads calibration and held-out questions, from one data set split by image or
 * from two sources.
 *
 * @throws {Error} a file cannot be read
 * @throws {RangeError} a question has no image or no answer, a part would be
 *   empty, or images take more memory than there is
 */
export async function loadQuestionSets(
  loaded: LoadedModel,
  {
    calibration = { count: DEFAULT_COUNTS.calibration },
    heldout = { count: DEFAULT_COUNTS.heldout },
    data = { files: [] },
    seed = 0,
  }: QuestionOptions = {},
): Promise<QuestionSets> {
  const read = readOptions(data);
  if (data.files.length === 0) {
    return {
      calibration: await loadQuestions(
        loaded,
        calibration,
        "calibration",
        seed,
        read,
      ),
      // The held-out questions are the same for every seed, so that results are
      // comparable.
      heldout: await loadQuestions(loaded, heldout, "heldout", 0, read),
    };
  }
  const label = data.files.join(" and ");
  const { format, questions } = await readDataset(data.files, read);
  checkImages(questions, label);
  const parts = splitQuestions(questions, {
    calibration: countOf(calibration),
    heldout: countOf(heldout),
    seed,
  });
  const encode = (questions: readonly Question[]): Promise<QuestionSet> =>
    encodeDataset(loaded, { format, questions }, label);
  return {
    calibration: await encode(parts.calibration),
    heldout: await encode(parts.heldout),
  };
}

/**
 * Loads questions of the embedded task, or from a file.
 *
 * @param read how to read a file
 */
export async function loadQuestions(
  loaded: LoadedModel,
  source: QuestionSource,
  split: Split,
  seed: number,
  read: ReadDatasetOptions = {},
): Promise<QuestionSet> {
  if ("count" in source) {
    return drawQuestions(loaded, { ...source, split, seed });
  }
  const dataset = await readDataset([source.file], read);
  checkImages(dataset.questions, source.file);
  return await encodeDataset(loaded, dataset, source.file);
}

function readOptions({ images = null }: DataOptions): ReadDatasetOptions {
  return images === null ? {} : { images };
}

function countOf(source: QuestionSource): number {
  if ("count" in source) return source.count;
  throw new RangeError(
    `Cannot take questions from ${source.file} as --data names the file of all`,
  );
}

function drawQuestions(
  { name, model: { config }, tokenizer }: LoadedModel,
  draw: { split: Split; seed: number; count: number },
): QuestionSet {
  if (config.vision.imageSize !== SCENE_SIZE) {
    throw new RangeError(
      `Cannot ask ${name} the questions of the embedded task as its images must have ${SCENE_SIZE} pixels a side: current value is ${config.vision.imageSize}; use --data FILE`,
    );
  }
  const set = makeSceneSet(tokenizer, imageTokenId(config, tokenizer), draw);
  return {
    ...set,
    kinds: set.questions.map(({ kind }) => kind),
    texts: set.questions.map(({ words, answer }) => ({
      question: words.join(" "),
      answer,
    })),
    dataset: null,
  };
}

/** The id of the token that stands for one vision token. */
function imageTokenId(
  { imageToken }: ModelConfig,
  tokenizer: Tokenizer,
): number {
  if (typeof imageToken === "number") return imageToken;
  const id = tokenizer.tokenId(imageToken);
  if (id === undefined) {
    throw new RangeError(
      `Cannot use the model as its tokenizer has no token "${imageToken}"`,
    );
  }
  return id;
}

function checkImages(questions: readonly Question[], label: string): void {
  const blind = questions.filter(({ image }) => image === null);
  refuse(blind, label, "must have an image");
}

/** Refuses questions that cannot be used, if there are any. */
function refuse(
  questions: readonly Question[],
  label: string,
  requirement: string,
): void {
  if (questions.length === 0) return;
  const ids = questions.slice(0, MAX_LISTED).map(({ id }) => id);
  const rest = questions.length - ids.length;
  throw new RangeError(
    `Cannot use ${label} as all its questions ${requirement}: ${questions.length} have none, with ids ${
      ids.join(", ")
    }${rest > 0 ? ` and ${rest} more` : ""}`,
  );
}

/**
 * Encodes questions in the tokens of a model. Each image is decoded once, and
 * held as the model sees it: 0.3 MB for LLaVA-1.5, 0.6 MB for each tile of
 * InternVL2.
 *
 * @throws {RangeError} an answer has no tokens, or images take more memory than
 *   there is
 */
async function encodeDataset(
  loaded: LoadedModel,
  dataset: Dataset,
  label: string,
): Promise<QuestionSet> {
  const { format, questions } = dataset;
  const sources = [...new Set(questions.map(({ image }) => image!))];
  const images = await holdImages({
    sources,
    label,
    load: (source) => loadTiles(loaded, source, label),
    room: freeMemory(),
  });
  const places = new Map(sources.map((source, place) => [source, place]));
  const texts = questions.map((question) => ({
    question: questionText(question, format),
    answer: commonest(question.answers),
  }));
  const samples = texts.map(({ question, answer }, i): Sample => {
    const image = places.get(questions[i].image!)!;
    const tiles = images[image].length;
    const { before, after } = loaded.encodeQuestion(question, tiles);
    return {
      image,
      prompt: { before, after },
      answer: encodeAnswer(loaded, answer),
    };
  });
  refuse(
    questions.filter((_, i) => samples[i].answer.length === 0),
    label,
    `must have an answer in the words of ${loaded.name}`,
  );
  return { images, samples, texts, kinds: texts.map(() => "all"), dataset };
}

/** The pictures that a model sees of an image file. */
async function loadTiles(
  { imageTiles }: LoadedModel,
  source: string | Uint8Array,
  label: string,
): Promise<SampleSet["images"][number]> {
  const [bytes, name] = typeof source === "string"
    ? [await readBytes(source), source]
    : [source, `an image of ${label}`];
  return imageTiles(await decodeImage(bytes, name));
}

/**
 * The answer to force: the most common one that is not empty; on a tie the
 * first.
 */
function commonest(answers: readonly string[]): string {
  const said = answers.filter((answer) => answer.trim() !== "");
  const groups = groupBy(said, (answer) => answer);
  return groups.reduce((a, b) => b.length > a.length ? b : a)[0];
}

/**
 * The tokens of an answer, followed by the end token unless the model stops at
 * this length by itself; empty if the tokenizer does not know the answer.
 */
function encodeAnswer(
  { tokenizer, stopTokens, maxTokens }: LoadedModel,
  answer: string,
): number[] {
  const ids = tokenizer.encode([{ text: answer, special: false }]);
  if (ids.length === 0 || ids.includes(tokenizer.unknown!)) return [];
  const isWhole = maxTokens !== null && ids.length >= maxTokens;
  return isWhole ? ids : [...ids, ...stopTokens.slice(0, 1)];
}

/** The largest number of questions in each part. */
export interface SplitOptions {
  /** The number to search with; at most half of all questions. */
  readonly calibration: number;
  /** The number to judge the result. */
  readonly heldout: number;
  /**
   * The seed that selects the calibration questions among those not held out.
   */
  readonly seed: number;
}

/** Two parts of a file, about different images. */
export interface SplitQuestions {
  /** In a random order that depends on the seed. */
  readonly calibration: readonly Question[];
  /** In a random order that is always the same. */
  readonly heldout: readonly Question[];
}

/**
 * Splits questions by their images, so that no result is judged on an image
 * that the search has seen. Questions about the same image stay together. The
 * held-out questions are the same for every seed, so that results are
 * comparable.
 *
 * @throws {RangeError} a part would be empty
 */
export function splitQuestions(
  questions: readonly Question[],
  { calibration, heldout, seed }: SplitOptions,
): SplitQuestions {
  const searched = Math.min(calibration, Math.floor(questions.length / 2));
  const judged = Math.min(heldout, questions.length - searched);
  const heldoutPart = takeImages(questions, judged, 0);
  const images = new Set(heldoutPart.map(({ image }) => image));
  const rest = questions.filter(({ image }) => !images.has(image));
  const calibrationPart = takeImages(rest, searched, seed);
  if (heldoutPart.length === 0 || calibrationPart.length === 0) {
    throw new RangeError(
      `Cannot split ${questions.length} questions as those to search with and those to judge by must be about different images, at most ${searched} and ${judged} of them`,
    );
  }
  return { calibration: calibrationPart, heldout: heldoutPart };
}

/** All questions about some images, up to a maximum, in random order. */
function takeImages(
  questions: readonly Question[],
  most: number,
  seed: number,
): Question[] {
  const groups = groupBy(questions, ({ image }) => image);
  const taken: Question[] = [];
  for (const place of createRandom(seed).permutation(groups.length)) {
    if (taken.length + groups[place].length <= most) {
      taken.push(...groups[place]);
    }
  }
  return taken;
}

/** An image as a model sees it: one picture, or several tiles. */
export type Tiles = SampleSet["images"][number];

/** The number of images to read before the memory of the rest is estimated. */
const TYPICAL = 32;

/** The sources of images, and the memory for them. */
export interface HoldOptions<T> {
  /** One source for each image. */
  readonly sources: readonly T[];
  /** Reads an image. */
  readonly load: (source: T) => Promise<Tiles>;
  /** The name of the images in error messages. */
  readonly label: string;
  /** The bytes that the images may take. */
  readonly room: number;
}

/**
 * Reads images, and holds them in memory that workers share instead of copying.
 *
 * @throws {RangeError} the images will take more room than there is, as
 *   estimated from the first ones
 */
export async function holdImages<T>(
  { sources, load, label, room }: HoldOptions<T>,
): Promise<Tiles[]> {
  const images: Tiles[] = [];
  let bytes = 0;
  for (const source of sources) {
    const tiles = await load(source);
    bytes += tiles.reduce((sum, { data }) => sum + data.length, 0);
    images.push(tiles.map((tile) => ({ ...tile, data: shared(tile.data) })));
    const expected = bytes / images.length * sources.length;
    if (bytes > room || (images.length >= TYPICAL && expected > room)) {
      throw new RangeError(
        `Cannot hold the ${sources.length} images of ${label} as they take about ${
          formatBytes(expected)
        }: ${
          formatBytes(room)
        } are available; use fewer --calibration or --heldout questions`,
      );
    }
  }
  return images;
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/**
 * Groups items in the order of their first members. Node has `Map.groupBy` only
 * from version 21 on.
 */
function groupBy<T, K>(all: readonly T[], keyOf: (item: T) => K): T[][] {
  const groups = new Map<K, T[]>();
  for (const item of all) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}
