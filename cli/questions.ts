/**
 * From the names on a command line to questions in the tokens of a model.
 */

import type { ModelConfig } from "../core/mod.ts";
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
import { freeMemory } from "../study/machine.ts";
import { holdImages } from "./held_images.ts";
import type { LoadedModel } from "../study/load.ts";
import type { DataOptions, QuestionSource, SearchOptions } from "./options.ts";
import { splitQuestions } from "./split.ts";

/** Questions to run a model on, with the kind of each for tables. */
export interface QuestionSet extends SampleSet {
  /** "exist", "color", …; "all" for questions from a file. */
  readonly kinds: readonly string[];
  /** The questions and right answers in words. */
  readonly texts: readonly {
    readonly question: string;
    readonly answer: string;
  }[];
  /** As they were read, in the same order; null for the embedded task. */
  readonly dataset: Dataset | null;
}

/** Questions that errors list. */
const MAX_LISTED = 20;

/** Questions to search with, and to judge the result. */
export interface QuestionSets {
  readonly calibration: QuestionSet;
  readonly heldout: QuestionSet;
}

/** Loads the questions that options name: of one data set, or of two sources. */
export async function loadQuestionSets(
  loaded: LoadedModel,
  { calibration, heldout, data, seed }: Pick<
    SearchOptions,
    "calibration" | "heldout" | "data" | "seed"
  >,
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
      // Always the same questions, so that results of different seeds compare.
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
 * Questions of the embedded task, or from a file.
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

function readOptions({ images, split }: DataOptions): ReadDatasetOptions {
  return {
    ...images !== null && { images },
    ...split !== null && { split },
  };
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
 * Questions in the tokens of a model. Each image is decoded once, and held as
 * the model sees it: 0.3 MB of LLaVA-1.5, 0.6 MB for each tile of InternVL2.
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

/** The answer to force: of those that are not empty and equally common, the first. */
function commonest(answers: readonly string[]): string {
  const said = answers.filter((answer) => answer.trim() !== "");
  const groups = [...Map.groupBy(said, (answer) => answer).values()];
  return groups.reduce((a, b) => b.length > a.length ? b : a)[0];
}

/**
 * Tokens of an answer, with the one that ends it unless the model stops at this
 * length by itself; none where the tokenizer does not know it.
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
