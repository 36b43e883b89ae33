// Question files. The fields of a file show which benchmark it belongs to. A file
// with wrong rows is refused and all of them are listed, so that a run never
// starts with fewer samples than the file has.

import {
  ai2dRows,
  chartQaRows,
  docVqaRows,
  gqaRows,
  isMmbenchHeader,
  jsonLinesRows,
  mmbenchRows,
  mmeRows,
  popeRows,
  scienceQaRows,
  textVqaRows,
  vqaRows,
} from "./dataset_formats.ts";
import { LETTERS, type Question, readRows, type Row } from "./dataset_rows.ts";
import { directoryOf, readText } from "./files.ts";

export type { Question } from "./dataset_rows.ts";

/** The layout of a question file; "jsonl" is our own. */
export type DatasetFormat =
  | "jsonl"
  | "vqa"
  | "textvqa"
  | "gqa"
  | "pope"
  | "scienceqa"
  | "ai2d"
  | "mmbench"
  | "chartqa"
  | "docvqa"
  | "mme";

/** Questions about images. */
export interface Dataset {
  /** The layout, which also decides the metric. */
  readonly format: DatasetFormat;
  /** In the order of the file; GQA's and ScienceQA's by their numbers. */
  readonly questions: readonly Question[];
}

/** A file that has been read. */
export interface DataFile {
  /** Its name in errors. */
  readonly name: string;
  /** Its content. */
  readonly text: string;
}

/** How to read a dataset. */
export interface DatasetOptions {
  /** The split of ScienceQA: train, val or test. */
  readonly split?: string;
}

/** How to find a dataset's files. */
export interface ReadDatasetOptions {
  /** The folder that image paths are relative to. Default: that of the file. */
  readonly images?: string;
}

/** Rows, and the layout that they came in. */
interface Rows {
  readonly format: DatasetFormat;
  readonly rows: readonly Row[];
}

/**
 * Parses the files of one dataset. Most datasets are one file. VQAv2 has one of
 * questions and one of annotations, AI2D one for each image.
 *
 * @example
 * ```ts
 * import { parseDataset } from "@tokensieve/tokensieve/io";
 *
 * const text = '{"image": "a.png", "question": "is it red ?", "answer": "no"}';
 * const { questions } = parseDataset([{ name: "questions.jsonl", text }]);
 * console.log(questions[0].answers); // ["no"]
 * ```
 *
 * @param files Their texts.
 * @param options Which part of them.
 * @returns The questions, with the image paths of the files.
 * @throws {SyntaxError} If files are not question files, or rows are wrong.
 */
export function parseDataset(
  files: readonly DataFile[],
  { split }: DatasetOptions = {},
): Dataset {
  const label = files.map(({ name }) => name).join(" and ");
  const { format, rows } = findRows(
    files.map(({ name, text }) => ({
      name,
      text: text.replace(/^\uFEFF/, ""),
    })),
    { label, split },
  );
  return { format, questions: readRows(rows, label) };
}

/** The rows of files. Their fields are read later. */
function findRows(
  files: readonly DataFile[],
  { label, split }: { label: string; split: string | undefined },
): Rows {
  try {
    return files.length === 1
      ? rowsOfFile(files[0].text, split)
      : rowsOfFiles(files);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`Cannot read ${label} as ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * Reads the files of one dataset.
 *
 * @param paths The files; a split of ScienceQA's problems.json follows its name,
 *   as in "problems.json#test".
 * @param options Where images are.
 * @returns The questions, with image paths relative to the current directory.
 * @throws {Error} If a file cannot be read.
 * @throws {SyntaxError} If files are not question files, or rows are wrong.
 */
export async function readDataset(
  paths: readonly string[],
  { images = directoryOf(paths[0]) }: ReadDatasetOptions = {},
): Promise<Dataset> {
  let split: string | undefined;
  const files = await Promise.all(
    paths.map(async (path) => {
      const [, file, name] = /^(.+\.json)#([^/\\]+)$/.exec(path) ?? [];
      split ??= name;
      return { name: path, text: await readText(file ?? path) };
    }),
  );
  const { format, questions } = parseDataset(
    files,
    split === undefined ? {} : { split },
  );
  return {
    format,
    questions: questions.map((question) => ({
      ...question,
      image: typeof question.image === "string" && !isAbsolute(question.image)
        ? `${images}/${question.image}`
        : question.image,
    })),
  };
}

/** Whether a path starts at a root: "/…", or a Windows drive "C:\…". */
function isAbsolute(path: string): boolean {
  return /^(\/|[A-Za-z]:[\\/])/.test(path);
}

const UNKNOWN =
  "it is no question file of a known kind: JSON Lines, VQAv2, TextVQA, GQA, POPE, ScienceQA, AI2D, MMBench, ChartQA, DocVQA or MME";

function rowsOfFile(text: string, split: string | undefined): Rows {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new SyntaxError("it holds no question");
  const isJson = /^\s*[[{]/.test(text);
  const value = isJson ? parseOrNull(text) : null;
  if (value !== null && !isRow(value)) return rowsOfJson(value, split);
  const row = lines.map(parseLine).find((object) => object !== null);
  if (row) {
    return hasField(row, "text") && hasField(row, "label")
      ? { format: "pope", rows: popeRows(text) }
      : { format: "jsonl", rows: jsonLinesRows(text) };
  }
  if (isJson) throw notJson(text, "it");
  if (isMmbenchHeader(lines[0])) {
    return { format: "mmbench", rows: mmbenchRows(text) };
  }
  if (lines[0].split("\t").length >= 3) {
    return { format: "mme", rows: mmeRows(text) };
  }
  throw new SyntaxError(UNKNOWN);
}

/** The error for a text that is not JSON. */
function notJson(text: string, name: string): SyntaxError {
  try {
    JSON.parse(text);
  } catch (error) {
    return new SyntaxError(`${name} is not JSON: ${(error as Error).message}`);
  }
  return new SyntaxError(UNKNOWN);
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The object on a line of its own; null for any other line. */
function parseLine(line: string): unknown {
  return /^\s*\{.*\}\s*$/.test(line) ? parseOrNull(line) : null;
}

/** Whether a whole file is a single line of JSON Lines. */
function isRow(value: unknown): boolean {
  const { image, question } = value as Record<string, unknown>;
  return typeof image === "string" || typeof question === "string";
}

function rowsOfJson(value: unknown, split: string | undefined): Rows {
  if (Array.isArray(value)) {
    if (!value.some((item) => hasField(item, "imgname"))) {
      throw new SyntaxError(UNKNOWN);
    }
    return { format: "chartqa", rows: chartQaRows(value) };
  }
  const file = value as Record<string, unknown>;
  if (Array.isArray(file.questions) || Array.isArray(file.annotations)) {
    return rowsOfVqa([file]);
  }
  if (Array.isArray(file.data)) {
    return file.data.some((item) => hasField(item, "questionId"))
      ? { format: "docvqa", rows: docVqaRows(file.data) }
      : { format: "textvqa", rows: textVqaRows(file.data) };
  }
  if (isAi2d(file)) return { format: "ai2d", rows: ai2dRows(file) };
  const entries = Object.values(file);
  if (entries.some((entry) => hasField(entry, "imageId"))) {
    return { format: "gqa", rows: gqaRows(file) };
  }
  if (entries.some((entry) => hasField(entry, "choices"))) {
    return { format: "scienceqa", rows: scienceQaRows(file, split) };
  }
  throw new SyntaxError(UNKNOWN);
}

function hasField(value: unknown, field: string): boolean {
  return typeof value === "object" && value !== null && field in value;
}

function isAi2d(file: Record<string, unknown>): boolean {
  return hasField(file, "imageName") && typeof file.questions === "object" &&
    file.questions !== null;
}

/** Several files: VQAv2's two, or AI2D's many. */
function rowsOfFiles(files: readonly DataFile[]): Rows {
  const values = files.map(({ name, text }) => {
    const value = parseOrNull(text) as Record<string, unknown> | null;
    if (value === null) throw notJson(text, name);
    return value;
  });
  if (values.every(isAi2d)) {
    const rows = values.flatMap((value, i) =>
      ai2dRows(value).map((row) => ({
        ...row,
        where: `${row.where} of ${files[i].name}`,
      }))
    );
    return { format: "ai2d", rows };
  }
  return rowsOfVqa(values);
}

function rowsOfVqa(files: readonly Record<string, unknown>[]): Rows {
  const listsOf = (field: string) =>
    files.map((file) => file?.[field]).filter(Array.isArray);
  const [questions, ...others] = listsOf("questions");
  const [annotations, ...more] = listsOf("annotations");
  if (!questions && !annotations) {
    throw new SyntaxError(
      "several files must be VQAv2's questions and annotations, or AI2D's",
    );
  }
  if (!questions || !annotations || others.length + more.length > 0) {
    throw new SyntaxError(
      "VQAv2 takes two files, one with its questions and one with its annotations",
    );
  }
  const subset = files.map((file) => file.data_subtype)
    .find((name) => typeof name === "string");
  if (subset === undefined) {
    throw new SyntaxError('"data_subtype" must name the images\' subset');
  }
  return { format: "vqa", rows: vqaRows({ questions, annotations, subset }) };
}

const SHORT = "Answer the question using a single word or phrase.";
const LETTER =
  "Answer with the option's letter from the given choices directly.";

/**
 * The text that a model is asked, as LLaVA-1.5's evaluation writes it: the
 * question, its choices with letters, and how short the answer must be. Open
 * questions of our own layout are asked as they are.
 *
 * @example
 * ```ts
 * import { questionText } from "@tokensieve/tokensieve/io";
 *
 * const question = { id: "1", image: null, question: "Red?", answers: ["no"] };
 * console.log(questionText(question, "gqa").split("\n")[0]); // "Red?"
 * ```
 *
 * @param question From a dataset.
 * @param format The dataset's.
 * @returns The text, without an image's marker.
 */
export function questionText(
  { question, choices }: Question,
  format: DatasetFormat,
): string {
  if (choices === undefined) {
    return format === "jsonl" ? question : `${question}\n${SHORT}`;
  }
  const lines = choices.flatMap((choice, i) =>
    choice === "" ? [] : [`${LETTERS[i]}. ${choice}`]
  );
  return [question, ...lines, LETTER].join("\n");
}
