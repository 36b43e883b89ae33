/**
 * Messages on standard error that do not stop the work: a result or an answer
 * is worth less than it seems, or a large model takes much memory.
 */

import type { RgbImage } from "../core/mod.ts";
import { KINDS, makeQuestions } from "../eval/mod.ts";
import type { Tokenizer } from "../io/mod.ts";
import type { LoadedModel } from "../study/load.ts";
import {
  formatPlan,
  type MemoryPlan,
  type MemoryRoom,
} from "../study/memory_plan.ts";
import { looksLikeScene } from "./foreign_images.ts";
import type { Output } from "./output.ts";
import type { QuestionSet, QuestionSets } from "../study/questions.ts";

/**
 * The number of bytes from which the plan is announced. Smaller models load
 * before anybody could read it.
 */
const LARGE = 1e9;

/**
 * Creates the function that announces how much memory a large model will take.
 */
export function planAnnouncer(
  { note }: Output,
): (plan: MemoryPlan, room: MemoryRoom) => void {
  return (plan, room) => {
    if (plan.total >= LARGE) note(`memory       ${formatPlan(plan, room)}`);
  };
}

/** Announces which adapter "auto" passed over, and why. */
export function announceDevice(
  { passedOver }: Pick<LoadedModel, "passedOver">,
  { note }: Pick<Output, "note">,
): void {
  if (passedOver !== null) note(`Runs on the CPU: ${passedOver}`);
}

/** Reasons why answers may differ from those that transformers generates. */
export function generationWarnings(
  { name, ignoredSettings }: Pick<LoadedModel, "name" | "ignoredSettings">,
): string[] {
  return ignoredSettings.length === 0 ? [] : [
    `answers are generated without ${
      new Intl.ListFormat("en").format(ignoredSettings)
    }, which the files of ${name} set`,
  ];
}

/** The questions of a search, and whether it searches the embedded model. */
export interface Searched extends QuestionSets {
  readonly loaded: LoadedModel;
  readonly embedded: boolean;
}

/** Reasons why the result of a search would be worth less than it seems. */
export async function searchWarnings(searched: Searched): Promise<string[]> {
  const { loaded: { name, tokenizer }, embedded, ...sets } = searched;
  const read = [sets.calibration, sets.heldout]
    .filter(({ dataset }) => dataset !== null);
  const { size } = (await imagesOf(sets.calibration))
    .intersection(await imagesOf(sets.heldout));
  const prompts = read.flatMap(({ samples }) => samples)
    .map(({ prompt: { before, after } }) => [...before, ...after]);
  const lacking = prompts.filter((ids) => ids.includes(tokenizer.unknown!));
  const images = read.flatMap(({ images }) => images);
  const foreign = embedded
    ? images.filter((tiles) => !tiles.every(looksLikeScene))
    : [];
  const warnings: string[] = [];
  if (size > 0) {
    warnings.push(
      `the result is judged on images that were searched with, as calibration and held-out questions have ${size} in common`,
    );
  }
  if (lacking.length > 0) {
    warnings.push(
      `the vocabulary of ${name} lacks words of ${lacking.length} of ${prompts.length} questions, so that the result may mean nothing`,
    );
  }
  if (foreign.length > 0) {
    warnings.push(
      `${name} was trained on scenes of the embedded task alone, and ${foreign.length} of ${images.length} images are none, so that the result may mean nothing`,
    );
  }
  return warnings;
}

/** The images of a set: files by their path, others by their bytes. */
async function imagesOf({ dataset }: QuestionSet): Promise<Set<string>> {
  const images = new Set(dataset?.questions.map(({ image }) => image!));
  return new Set(
    await Promise.all(
      [...images].map((image) =>
        typeof image === "string" ? Deno.realPath(image) : image.toBase64()
      ),
    ),
  );
}

/**
 * Reasons why the embedded model's answers about a picture from a file may be
 * meaningless.
 */
export function pictureWarnings(
  { name }: LoadedModel,
  file: string,
  picture: RgbImage,
): string[] {
  return looksLikeScene(picture) ? [] : [
    `${name} was trained on scenes of the embedded task alone, and ${file} is none, so that its answers may mean nothing: give --scene N, or another model with --model DIR`,
  ];
}

/** Reasons why the answer to a question may be meaningless. */
export function questionWarnings(
  { name, tokenizer }: Pick<LoadedModel, "name" | "tokenizer">,
  question: string,
): string[] {
  const words = unknownWords(tokenizer, question);
  if (words.length === 0) return [];
  const list = new Intl.ListFormat("en").format(
    words.map((word) => JSON.stringify(word)),
  );
  return [
    `the vocabulary of ${name} lacks ${list}, so that its answer may mean nothing`,
  ];
}

/** A word, or a single character that belongs to no word. */
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*|\S/gu;

/**
 * The words of a text that the model cannot tell apart, or of which no token
 * reaches it. Each word is listed once.
 */
function unknownWords(tokenizer: Tokenizer, text: string): string[] {
  const lacks = (text: string): boolean => {
    const ids = tokenizer.encode([{ text, special: false }]);
    return ids.length === 0 || ids.includes(tokenizer.unknown!);
  };
  return [...new Set(text.match(WORD))].filter(lacks);
}

/**
 * Describes what the embedded model can be asked: one question of each kind.
 */
export function askableText({ name }: LoadedModel): string {
  const scenes = makeQuestions("heldout", 0, KINDS.length);
  const questions = scenes.flatMap(({ questions }) => questions)
    .map(({ words }) => words.join(" ").replace(" ?", "?"));
  return `${name} can be asked, with any colour, shape and size: ${
    questions.join(" ")
  }`;
}
