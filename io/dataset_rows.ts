// Rows of question files: reading their fields, and collecting all that is wrong
// with them, so that a file can be corrected at once.

/** One question about one image. */
export interface Question {
  /** Unique in its dataset: the file's own, or the line's number. */
  readonly id: string;
  /** Path of an image file, its bytes where the dataset holds them, or null. */
  readonly image: string | Uint8Array | null;
  /** What is asked, a hint in front of it. */
  readonly question: string;
  /** The right answers, at least one; of a multiple choice its letter. */
  readonly answers: readonly string[];
  /** Texts of the choices A, B, …, where there are any. */
  readonly choices?: readonly string[];
}

/** A question, or what is wrong with its row, and where it stands in a file. */
export interface Row {
  /** "line 3" or "item 3", and of which file where there are several. */
  readonly where: string;
  /** Reads it. Throws SyntaxError with what is wrong, beginning with the field. */
  readonly read: () => Question;
}

const MAX_LISTED = 20;

/**
 * Reads rows, or lists those that are wrong.
 *
 * @param label What errors call the file.
 * @returns At least one question.
 * @throws {SyntaxError} If rows are wrong or there is none.
 */
export function readRows(rows: readonly Row[], label: string): Question[] {
  const questions: Question[] = [];
  const wrong: WrongRow[] = [];
  const places = new Map<string, string>();
  for (const { where, read } of rows) {
    try {
      const question = read();
      const first = places.get(question.id);
      if (first !== undefined) {
        throw new SyntaxError(`id "${question.id}" is also that of ${first}`);
      }
      places.set(question.id, where);
      questions.push(question);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      wrong.push({ where, problem: error.message });
    }
  }
  if (wrong.length > 0) throw listWrong(wrong, label);
  if (questions.length === 0) {
    throw new SyntaxError(`Cannot read ${label} as it holds no question`);
  }
  return questions;
}

/** What is wrong with a row. */
interface WrongRow {
  readonly where: string;
  readonly problem: string;
}

function listWrong(wrong: readonly WrongRow[], label: string): SyntaxError {
  if (wrong.length === 1) {
    const [{ where, problem }] = wrong;
    return new SyntaxError(
      `Cannot read ${label} as ${where} is wrong: ${problem}`,
    );
  }
  const lines = wrong.slice(0, MAX_LISTED)
    .map(({ where, problem }) => `${where}: ${problem}`);
  const rest = wrong.length - lines.length;
  if (rest > 0) lines.push(`and ${rest} more`);
  return new SyntaxError(
    `Cannot read ${label} as ${wrong.length} rows are wrong:\n${
      lines.join("\n")
    }`,
  );
}

/** The fields of one row. All methods throw SyntaxError. */
export class RowFields {
  readonly #values: Readonly<Record<string, unknown>>;

  /** Takes a parsed row, which must be an object. */
  constructor(row: unknown) {
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      throw new SyntaxError(`it must be a JSON object: ${current(row)}`);
    }
    this.#values = row as Record<string, unknown>;
  }

  /** What a field holds; null counts as nothing. */
  get(field: string): unknown {
    return this.#values[field] ?? undefined;
  }

  /** The error for a field. */
  error(field: string, requirement: string): SyntaxError {
    return new SyntaxError(
      `"${field}" ${requirement}: ${current(this.get(field))}`,
    );
  }

  /** A text that is not empty. */
  text(field: string): string {
    const value = this.get(field);
    if (typeof value !== "string" || value.trim() === "") {
      throw this.error(field, "must be a non-empty string");
    }
    return value;
  }

  /** A text or a number, as a text. */
  id(field: string): string {
    const value = this.get(field);
    if (typeof value !== "number" && (typeof value !== "string" || !value)) {
      throw this.error(field, "must be a number or a non-empty string");
    }
    return `${value}`;
  }

  /** Texts that are not empty, at least `least` of them. */
  texts(field: string, least: number): string[] {
    const value = this.get(field);
    if (
      !Array.isArray(value) || value.length < least ||
      !value.every((text) => typeof text === "string" && text.trim() !== "")
    ) {
      throw this.error(
        field,
        `must be a list of ${least} or more non-empty strings`,
      );
    }
    return value;
  }

  /** The number of one of `count` choices, as a letter. */
  choice(field: string, count: number): string {
    const value = this.get(field);
    if (!Number.isInteger(value) || !letterOf(value as number, count)) {
      throw this.error(field, `must be an integer in [0, ${count - 1}]`);
    }
    return letterOf(value as number, count)!;
  }

  /** The letter of one of `count` choices, in upper case. */
  letter(field: string, count: number): string {
    const value = this.get(field);
    const letter = typeof value === "string" ? value.trim().toUpperCase() : "";
    if (letter.length !== 1 || !LETTERS.slice(0, count).includes(letter)) {
      throw this.error(
        field,
        `must be a letter from A to ${LETTERS[count - 1]}`,
      );
    }
    return letter;
  }

  /** "yes" or "no", whatever the case. */
  yesNo(field: string): string {
    const value = this.get(field);
    const word = typeof value === "string" ? value.trim().toLowerCase() : "";
    if (word !== "yes" && word !== "no") {
      throw this.error(field, 'must be "yes" or "no"');
    }
    return word;
  }
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

function letterOf(index: number, count: number): string | undefined {
  return LETTERS.slice(0, count)[index];
}

/** A value as it stands in the file, cut where it is long. */
function current(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return `current value is ${
    text.length > 60 ? `${text.slice(0, 57)}...` : text
  }`;
}
