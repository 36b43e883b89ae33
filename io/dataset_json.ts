// Question files that are one JSON value: those of VQAv2, TextVQA, GQA,
// ScienceQA, AI2D, ChartQA and DocVQA, as they are published.

import { type Question, type Row, RowFields } from "./dataset_rows.ts";

/** A row for every item of a list. */
function rowsOf(
  items: readonly unknown[],
  read: (fields: RowFields, number: number) => Question,
): Row[] {
  return items.map((item, i) => ({
    where: `item ${i + 1}`,
    read: () => read(new RowFields(item), i + 1),
  }));
}

/** A row for every entry of an object, by its key. */
function rowsByKey(
  entries: Readonly<Record<string, unknown>>,
  read: (key: string, fields: RowFields) => Question,
): Row[] {
  return Object.entries(entries).map(([key, item]) => ({
    where: `item "${key}"`,
    read: () => read(key, new RowFields(item)),
  }));
}

/** The two files of VQAv2, put together. */
export interface VqaFiles {
  /** "questions" of the questions file. */
  readonly questions: readonly unknown[];
  /** "annotations" of the annotations file. */
  readonly annotations: readonly unknown[];
  /** Such as "val2014": names the images. */
  readonly subset: string;
}

/**
 * VQAv2: questions, and ten answers to each in the annotations. Images are
 * named as COCO names them.
 */
export function vqaRows({ questions, annotations, subset }: VqaFiles): Row[] {
  const answersOf = new Map(
    annotations.map((item) => [questionIdOf(item), item]),
  );
  const asked = new Set(questions.map(questionIdOf));
  const rows = rowsOf(questions, (fields) => {
    const id = fields.id("question_id");
    if (!answersOf.has(id)) {
      throw fields.error("question_id", "must have an annotation");
    }
    return {
      id,
      image: `COCO_${subset}_${fields.id("image_id").padStart(12, "0")}.jpg`,
      question: fields.text("question"),
      answers: readAnswers(new RowFields(answersOf.get(id)).get("answers")),
    };
  });
  const strays = annotations.flatMap((item, i): Row[] =>
    asked.has(questionIdOf(item)) ? [] : [{
      where: `annotation ${i + 1}`,
      read: () => {
        throw new RowFields(item)
          .error("question_id", "must be that of a question");
      },
    }]
  );
  return [...rows, ...strays];
}

function questionIdOf(item: unknown): string {
  return `${(item as Record<string, unknown> | null)?.question_id}`;
}

/** Texts, or objects with an "answer". */
function readAnswers(answers: unknown): string[] {
  const texts = Array.isArray(answers)
    ? answers.map((answer) => answer?.answer ?? answer)
    : answers;
  return new RowFields({ answers: texts }).answers("answers");
}

/** TextVQA: "data" with ten answers to each question. */
export function textVqaRows(data: readonly unknown[]): Row[] {
  return rowsOf(data, (fields) => ({
    id: fields.id("question_id"),
    image: `${fields.id("image_id")}.jpg`,
    question: fields.text("question"),
    answers: readAnswers(fields.get("answers")),
  }));
}

/** DocVQA: "data" with the answers that count. */
export function docVqaRows(data: readonly unknown[]): Row[] {
  return rowsOf(data, (fields) => ({
    id: fields.id("questionId"),
    image: fields.text("image"),
    question: fields.text("question"),
    answers: readAnswers(fields.get("answers")),
  }));
}

/** GQA: questions by their id. */
export function gqaRows(questions: Readonly<Record<string, unknown>>): Row[] {
  return rowsByKey(questions, (id, fields) => ({
    id,
    image: `${fields.id("imageId")}.jpg`,
    question: fields.text("question"),
    answers: [fields.text("answer")],
  }));
}

/** ChartQA: imgname, query, label. */
export function chartQaRows(items: readonly unknown[]): Row[] {
  return rowsOf(items, (fields, number) => ({
    id: `${number}`,
    image: fields.text("imgname"),
    question: fields.text("query"),
    answers: [fields.id("label")],
  }));
}

/** AI2D: one file for each image, its questions by what they ask. */
export function ai2dRows(file: Readonly<Record<string, unknown>>): Row[] {
  const image = new RowFields(file).text("imageName");
  const questions = file.questions as Record<string, unknown>;
  return rowsByKey(questions, (question, fields) => {
    const choices = fields.choices("answerTexts");
    return {
      id: fields.id("questionId"),
      image,
      question,
      answers: [fields.choice("correctAnswer", choices)],
      choices,
    };
  });
}

/**
 * ScienceQA: problems by their id, those of one split. About half of them have
 * no image.
 *
 * @throws {SyntaxError} If there are several splits and none is named.
 */
export function scienceQaRows(
  problems: Readonly<Record<string, unknown>>,
  split: string | undefined,
): Row[] {
  const splitOf = (item: unknown) => (item as Record<string, unknown>)?.split;
  const splits = [...new Set(Object.values(problems).map(splitOf))]
    .filter((name) => typeof name === "string");
  if (split === undefined ? splits.length > 1 : !splits.includes(split)) {
    throw new SyntaxError(
      `one of its splits must be named, ${
        splits.join(", ")
      }, as in problems.json#test: current value is ${split ?? "missing"}`,
    );
  }
  const chosen = Object.entries(problems).filter(([, item]) => {
    const name = splitOf(item);
    // One without a split is kept here, to be found wrong.
    return typeof name !== "string" || name === (split ?? splits[0]);
  });
  return rowsByKey(Object.fromEntries(chosen), (id, fields) => {
    const folder = `${fields.text("split")}/${id}`;
    const choices = fields.choices("choices");
    const hint = fields.get("hint") || undefined;
    const question = fields.text("question");
    return {
      id,
      image: fields.get("image") === undefined
        ? null
        : `${folder}/${fields.text("image")}`,
      question: hint === undefined ? question : `${hint}\n${question}`,
      answers: [fields.choice("answer", choices)],
      choices,
    };
  });
}
