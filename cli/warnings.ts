/**
 * What is told on standard error though work goes on: that a result will not be
 * worth what it seems.
 */
// deno-lint-ignore-file no-console

import type { QuestionSet, QuestionSets } from "./questions.ts";

/** Tells one sentence. */
function warn(sentence: string): void {
  console.error(`Warning: ${sentence}`);
}

/** Warns where a result is judged on images that were searched with. */
export async function warnOfSharedImages(
  { calibration, heldout }: QuestionSets,
): Promise<void> {
  const searched = await imagesOf(calibration);
  const { size } = searched.intersection(await imagesOf(heldout));
  if (size === 0) return;
  warn(
    `the result is judged on images that were searched with, as calibration and held-out questions have ${size} in common`,
  );
}

/** Files whatever their paths are, or the bytes of those that have none. */
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
