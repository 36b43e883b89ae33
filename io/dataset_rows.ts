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
  /**
   * The right answers, at least one that is not empty; of a multiple choice its
   * letter.
   */
  readonly answers: readonly string[];
  /**
   * Texts of the choices A, B, …, where there are any. An empty one is no choice:
   * letters belong to places, as to the columns of a table with empty cells.
   */
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

  /**
   * Texts, at least one of which is not empty: people may leave a question
   * without an answer, and that counts where answers are compared with theirs.
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

  /** The number of one of the choices, as a letter. */
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

  /** The letter of one of the choices, in upper case. */
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

/** Of choices. */
export const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A value as it stands in the file, cut where it is long. */
function current(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return `current value is ${
    text.length > 60 ? `${text.slice(0, 57)}...` : text
  }`;
}
