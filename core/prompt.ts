/**
 * Prompts in tokens, with one image in each.
 *
 * This module is browser compatible.
 */

/** A prompt with one image: token ids before it and after it. */
export interface Prompt {
  /** System tokens: what stands before the image. */
  readonly before: readonly number[];
  /** Instruction tokens: what stands after it. At least one. */
  readonly after: readonly number[];
}

/**
 * Splits token ids at the image placeholder, which may stand once or once for
 * every vision token.
 *
 * @throws {RangeError} there is not exactly one image, or nothing after it
 */
export function splitPrompt(
  ids: readonly number[],
  imageToken: number,
): Prompt {
  const start = ids.indexOf(imageToken);
  const end = ids.lastIndexOf(imageToken) + 1;
  const one = start >= 0 &&
    ids.slice(start, end).every((id) => id === imageToken);
  if (!one || end === ids.length) {
    throw new RangeError(
      `Cannot use a prompt as it must hold one image (token ${imageToken}) with text after it: current tokens are [${ids}]`,
    );
  }
  return { before: ids.slice(0, start), after: ids.slice(end) };
}

/**
 * Checks prompts that are to run as a batch.
 *
 * @throws {TypeError} they have different shapes
 * @throws {RangeError} a token is not in the vocabulary
 */
export function checkPrompts(
  prompts: readonly Prompt[],
  vocabulary: number,
): void {
  const [first] = prompts;
  for (const { before, after } of prompts) {
    if (
      before.length !== first.before.length ||
      after.length !== first.after.length
    ) {
      throw new TypeError(
        `Cannot batch prompts as all must have ${first.before.length} + ${first.after.length} tokens: current prompt has ${before.length} + ${after.length}`,
      );
    }
    for (const id of [...before, ...after]) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
        throw new RangeError(
          `Cannot embed a token as its id must be an integer in [0, ${
            vocabulary - 1
          }]: current value is ${id}`,
        );
      }
    }
  }
}
