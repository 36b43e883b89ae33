// Rows of question files: reads their fields and collects all errors, so that a
// file can be corrected in one go.

/** One question about one image. */
export interface Question {
  /** Unique in its dataset: the id in the file, or the line's number. */
  readonly id: string;
  /** Path of an image file, its bytes where the dataset holds them, or null. */
  readonly image: string | Uint8Array | null;
  /** The question, after its hint if it has one. */
  readonly question: string;
  /**
   * The right answers, of which one or more are not empty; for multiple choice the
   * letter.
   */
  readonly answers: readonly string[];
  /**
   * Texts of the choices A, B, …, if there are any. An empty text is no choice but
   * keeps its letter, as an empty cell in a table keeps its column.
   */
  readonly choices?: readonly string[];
}

/** A row of a question file, which is read later. */
export interface Row {
  /** "line 3" or "item 3", with the file where there are several. */
  readonly where: string;
  /** Reads it. Throws a SyntaxError whose message begins with the field. */
  readonly read: () => Question;
}

const MAX_LISTED = 20;

/**
 * Reads rows, or lists the wrong ones.
 *
 * @param label The file's name in errors.
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

/** A row that cannot be read. */
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

  /** The value of a field; undefined for null too. */
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

  /**
   * Texts, of which one or more are not empty. Some annotators leave a question
   * without an answer; metrics count that empty answer.
   */
  answers(field: string): string[] {
    const value = this.get(field);
    if (
      !Array.isArray(value) || !value.every((text) => typeof text === "string")
    ) {
      throw this.error(field, "must be a list of strings");
    }
    if (value.every((text) => text.trim() === "")) {
      throw this.error(field, "must hold a string that is not empty");
    }
    return value;
  }

  /** Texts of choices, at least two that are not empty; null counts as empty. */
  choices(field: string): string[] {
    const value = this.get(field);
    const isText = (text: unknown) => typeof text === "string" || text === null;
    if (!Array.isArray(value) || !value.every(isText)) {
      throw this.error(field, "must be a list of strings");
    }
    const texts = value.map((text) => text?.trim() ? text : "");
    if (texts.filter((text) => text !== "").length < 2) {
      throw this.error(field, "must hold 2 or more strings that are not empty");
    }
    return texts;
  }

  /** The letter of a choice that is given by number. */
  choice(field: string, choices: readonly string[]): string {
    const value = this.get(field);
    if (!Number.isInteger(value) || !choices[value as number]) {
      throw this.error(
        field,
        choices.includes("")
          ? "must be the number of a choice that is not empty"
          : `must be an integer in [0, ${choices.length - 1}]`,
      );
    }
    return LETTERS[value as number];
  }

  /** The letter of a choice, in upper case. */
  letter(field: string, choices: readonly string[]): string {
    const value = this.get(field);
    const letter = typeof value === "string" ? value.trim().toUpperCase() : "";
    const letters = [...LETTERS].filter((_, i) => choices[i]);
    if (!letters.includes(letter)) {
      const last = letters.at(-1);
      throw this.error(
        field,
        choices.includes("")
          ? `must be ${letters.slice(0, -1).join(", ")} or ${last}`
          : `must be a letter from A to ${last}`,
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

/** The letters of choices. */
export const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A value as the file has it, cut where it is long. */
function current(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return `current value is ${
    text.length > 60 ? `${text.slice(0, 57)}...` : text
  }`;
}
