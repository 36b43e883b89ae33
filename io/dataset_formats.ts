// The layouts of question files: one JSON value (VQAv2, TextVQA, GQA, ScienceQA,
// AI2D, ChartQA, DocVQA), one JSON object on each line (our own layout, POPE), and
// tables with tabs between the columns (MMBench with a header, MME without).

import { LETTERS, type Question, type Row, RowFields } from "./dataset_rows.ts";

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

/** The contents of VQAv2's two files. */
export interface VqaFiles {
  /** "questions" in the file of questions. */
  readonly questions: readonly unknown[];
  /** "annotations" in the file of annotations. */
  readonly annotations: readonly unknown[];
  /** The images' subset, such as "val2014", a part of their names. */
  readonly subset: string;
}

/**
 * VQAv2: questions, with ten answers to each in the annotations. Images have
 * COCO's names.
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

/** Answers: texts, or objects with an "answer". */
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

/** DocVQA: "data" with the accepted answers. */
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

/** AI2D: one file for each image, with questions by their text. */
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
 * ScienceQA: problems of one split, by their id. About half of them have no image.
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
    // A problem without a split is kept, and reported as wrong below.
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

/** Parses one line of JSON. */
function parseLine(line: string): RowFields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(`it is not JSON: ${(error as Error).message}`);
  }
  return new RowFields(value);
}

/** Lines that are not empty, with their numbers. */
function linesOf(text: string): [line: string, number: number][] {
  return text.split(/\r?\n/)
    .map((line, i): [string, number] => [line, i + 1])
    .filter(([line]) => line.trim() !== "");
}

/** Our own layout, JSON Lines: id, image, question, answers or answer, choices. */
export function jsonLinesRows(text: string): Row[] {
  return linesOf(text).map(([line, number]) => ({
    where: `line ${number}`,
    read: () => readQuestion(parseLine(line), number),
  }));
}

function readQuestion(fields: RowFields, line: number): Question {
  const question = {
    id: fields.get("id") === undefined ? `${line}` : fields.id("id"),
    image: fields.text("image"),
    question: fields.text("question"),
  };
  if (fields.get("choices") !== undefined) {
    const choices = fields.choices("choices");
    const field = fields.get("answers") === undefined ? "answer" : "answers";
    const answers = field === "answer"
      ? [fields.letter("answer", choices)]
      : fields.answers("answers").map((answer) =>
        new RowFields({ answers: answer }).letter("answers", choices)
      );
    return { ...question, answers, choices };
  }
  const answers = fields.get("answers") === undefined
    ? [fields.text("answer")]
    : fields.answers("answers");
  return { ...question, answers };
}

/** POPE: question_id, image, text, label. */
export function popeRows(text: string): Row[] {
  return linesOf(text).map(([line, number]) => ({
    where: `line ${number}`,
    read: () => {
      const fields = parseLine(line);
      return {
        id: fields.id("question_id"),
        image: fields.text("image"),
        question: fields.text("text"),
        answers: [fields.yesNo("label")],
      };
    },
  }));
}

/** MME: image, question and answer in columns; further columns are ignored. */
export function mmeRows(text: string): Row[] {
  return linesOf(text).map(([line, number]) => ({
    where: `line ${number}`,
    read: () => {
      const [image, question, answer] = line.split("\t");
      const fields = new RowFields({ image, question, answer });
      return {
        id: `${number}`,
        image: fields.text("image"),
        question: fields.text("question"),
        answers: [fields.yesNo("answer")],
      };
    },
  }));
}

/** The name of a column: single letters are choices, case does not matter. */
function columnName(cell: string): string {
  const name = cell.trim();
  return name.length === 1 ? name.toUpperCase() : name.toLowerCase();
}

/** Whether a line is the header of a table that `mmbenchRows` reads. */
export function isMmbenchHeader(line: string): boolean {
  const columns = line.split("\t")
    .map((cell) => columnName(cell.replace(/^"(.*)"$/, "$1")));
  return columns.includes("index") && columns.includes("question");
}

/**
 * The text of a cell; undefined where it is missing. pandas, which writes such
 * tables, leaves missing values empty or writes "nan". Its other words for them,
 * such as "None" and "N/A", are choices of published questions and so texts.
 */
function cellText(cell: string | undefined): string | undefined {
  return cell === undefined || /^\s*(-?nan)?\s*$/i.test(cell)
    ? undefined
    : cell;
}

/**
 * MMBench, and tables of other benchmarks in its layout: a header, then index,
 * question, hint, A, B, …, answer and image. An image is base64, or the index of
 * the row that has it. A choice has the letter of its column, also beside empty
 * cells.
 */
export function mmbenchRows(text: string): Row[] {
  const [header, ...records] = parseTable(text);
  const names = header.cells.map(columnName);
  const rows = records.map(({ cells, line }) => ({
    line,
    cells: Object.fromEntries(
      names.map((name, i) => [name, cellText(cells[i])]),
    ),
  }));
  const images = new Map(rows.map(({ cells }) => [cells.index, cells.image]));
  const decoded = new Map<string, Uint8Array>();
  return rows.map(({ cells, line }) => ({
    where: `line ${line}`,
    read: () => readMmbench(cells, images, decoded),
  }));
}

function readMmbench(
  cells: Readonly<Record<string, string | undefined>>,
  images: ReadonlyMap<string | undefined, string | undefined>,
  decoded: Map<string, Uint8Array>,
): Question {
  const fields = new RowFields(cells);
  const question = fields.text("question");
  const hint = fields.get("hint");
  const choices = [...LETTERS].map((name) => cells[name] ?? "");
  choices.length = 1 + choices.findLastIndex((choice) => choice !== "");
  if (choices.filter((choice) => choice !== "").length < 2) {
    throw fields.error(
      choices[0] ? "B" : "A",
      "must be a choice as a question has 2 or more",
    );
  }
  const written = fields.text("image");
  const image = /^\d+$/.test(written) ? images.get(written) : written;
  return {
    id: fields.id("index"),
    image: decodeBase64(image, fields, decoded),
    question: hint === undefined ? question : `${hint}\n${question}`,
    answers: [fields.letter("answer", choices)],
    choices,
  };
}

/** Bytes of an image; rows with the same image share them. */
function decodeBase64(
  text: string | undefined,
  fields: RowFields,
  decoded: Map<string, Uint8Array>,
): Uint8Array {
  const requirement = "must be base64, or the index of a row whose image is";
  if (text === undefined) throw fields.error("image", requirement);
  let bytes = decoded.get(text);
  if (bytes === undefined) {
    try {
      // Uint8Array.fromBase64() is missing in Node 20.
      const characters = atob(text);
      bytes = new Uint8Array(characters.length);
      for (let i = 0; i < bytes.length; i++) {
        bytes[i] = characters.charCodeAt(i);
      }
    } catch {
      throw fields.error("image", requirement);
    }
    decoded.set(text, bytes);
  }
  return bytes;
}

/** One record of a table. */
interface TableRecord {
  readonly cells: readonly string[];
  /** The number of its first line. */
  readonly line: number;
}

/**
 * Parses a table with tabs between cells. A cell in quotation marks may hold tabs
 * and line breaks.
 */
function parseTable(text: string): TableRecord[] {
  const records: TableRecord[] = [];
  let cells: string[] = [];
  let line = 1;
  let start = 1;
  // A cell, and the tab or line break after it.
  const pattern = /(?:"([^"]*(?:""[^"]*)*)"|((?!")[^\t\n]*?))(\t|\r?\n|$)/gy;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) {
      throw new SyntaxError(
        `line ${line} opens a quotation mark that does not close at the end of a cell`,
      );
    }
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2]);
    line += match[0].split("\n").length - 1;
    if (match[3] !== "\t") {
      if (cells.some((cell) => cell !== "")) {
        records.push({ cells, line: start });
      }
      cells = [];
      start = line;
    }
  }
  if (cells.length > 0) records.push({ cells, line: start });
  return records;
}
