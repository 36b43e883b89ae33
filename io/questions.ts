// Question files: JSON Lines, one question about one image per line.
//
//     {"image": "images/0001.png", "question": "what color is the circle ?", "answer": "red"}

import { directoryOf, readText } from "./files.ts";

/** One question about one image. */
export interface Question {
  /** Path of the image; in the file, relative to the file's folder. */
  readonly image: string;
  /** What is asked. */
  readonly question: string;
  /** The right answer. */
  readonly answer: string;
}

/** What every line must hold. */
const FIELDS = ["image", "question", "answer"] as const;

/**
 * Parses questions. Empty lines are skipped, other fields are ignored.
 *
 * @example
 * ```ts
 * import { parseQuestions } from "@tokensieve/tokensieve/io";
 *
 * const line = '{"image": "a.png", "question": "is it red ?", "answer": "no"}';
 * console.log(parseQuestions(line, "questions.jsonl")[0].answer); // "no"
 * ```
 *
 * @param text The file's text.
 * @param label What errors call the file.
 * @returns The questions in the file's order, paths as written.
 * @throws {SyntaxError} If a line is not as it must be, or there is none.
 */
export function parseQuestions(text: string, label: string): Question[] {
  const questions: Question[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    questions.push(parseQuestion(line, `${label}, line ${i + 1},`));
  }
  if (questions.length === 0) {
    throw new SyntaxError(`Cannot read ${label} as it holds no question`);
  }
  return questions;
}

/** One line; `where` names it in errors. */
function parseQuestion(line: string, where: string): Question {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${where} as it is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
  for (const field of FIELDS) {
    const content = value?.[field];
    if (typeof content !== "string" || content === "") {
      throw new SyntaxError(
        `Cannot read ${where} as "${field}" must be a non-empty string: current value is ${
          JSON.stringify(content) ?? "missing"
        }`,
      );
    }
  }
  const { image, question, answer } = value as Record<string, string>;
  return { image, question, answer };
}

/**
 * Reads a question file.
 *
 * @param path The file.
 * @returns The questions, each image's path made relative to where the program runs.
 * @throws {Error} If the file cannot be read.
 * @throws {SyntaxError} If a line is not as it must be, or there is none.
 */
export async function readQuestions(path: string): Promise<Question[]> {
  const questions = parseQuestions(await readText(path), path);
  return questions.map((question) => ({
    ...question,
    image: isAbsolute(question.image)
      ? question.image
      : `${directoryOf(path)}/${question.image}`,
  }));
}

/** Whether a path starts at a root: "/…", or a Windows drive "C:\…". */
function isAbsolute(path: string): boolean {
  return /^(\/|[A-Za-z]:[\\/])/.test(path);
}
