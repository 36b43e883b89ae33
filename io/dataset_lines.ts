// Question files of one question per line: our own JSON Lines, those of POPE,
// and tables with tabs between columns (MMBench's with a header, MME's without).

import { LETTERS, type Question, type Row, RowFields } from "./dataset_rows.ts";

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

/** Our own JSON Lines: id, image, question, answers or answer, choices. */
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

/** MME: image, question and answer, tabs between; more columns are ignored. */
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

/** What a table calls a column: case does not matter, and letters are choices. */
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
 * What a cell holds: pandas, which such tables are written with, leaves missing
 * values empty or writes "nan". Its other words for them, as "None" and "N/A",
 * are texts here, because they are choices of published questions.
 */
function cellText(cell: string | undefined): string | undefined {
  return cell === undefined || /^\s*(-?nan)?\s*$/i.test(cell)
    ? undefined
    : cell;
}

/**
 * MMBench, and tables of other benchmarks in its layout: a header, then index,
 * question, hint, A, B, …, answer and image, the latter in base64 or the index
 * of the row that has it. A choice has its column's letter, whatever cells beside
 * it are empty.
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
  /** Where it begins. */
  readonly line: number;
}

/** Tabs between cells; a cell in quotation marks may hold tabs and line breaks. */
function parseTable(text: string): TableRecord[] {
  const records: TableRecord[] = [];
  let cells: string[] = [];
  let line = 1;
  let start = 1;
  // A cell, and what ends it.
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
