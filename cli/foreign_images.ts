/**
 * Decides from its noise whether a picture is a scene of the embedded task. The
 * noise of a scene is drawn independently for each channel, and is equally
 * strong everywhere. Cameras, JPEG and drawing programs leave channels that
 * rise and fall together, or no noise at all.
 */

import type { RgbImage } from "../core/mod.ts";
import { SCENE_SIZE } from "../eval/mod.ts";

/**
 * The accepted range of the noise's standard deviation, in levels. Scenes are
 * drawn with 4 to 12. The estimate may be off by one, and the range allows a
 * little more.
 */
const NOISE = { least: 3, most: 16 };
/**
 * The largest accepted share of pixels where two channels change in the same
 * direction. The share is one half for independent channels, slightly more
 * where a scene has edges, and nearly one in photographs.
 */
const MOST_ALIKE = 0.65;
/** Median of the absolute value of a standard normal deviate. */
const NORMAL_MEDIAN = 0.6745;

/** Whether a picture may be a scene of the embedded task. */
export function looksLikeScene(picture: RgbImage): boolean {
  const { width, height } = picture;
  if (width !== SCENE_SIZE || height !== SCENE_SIZE) return false;
  const channels = [0, 1, 2].map((channel) =>
    mixedDifferences(picture, channel)
  );
  return channels.every((values, i) => {
    const deviation = noiseOf(values);
    return deviation >= NOISE.least && deviation <= NOISE.most &&
      shareAlike(values, channels[(i + 1) % 3]) <= MOST_ALIKE;
  });
}

/**
 * p(x, y) − p(x + 1, y) − p(x, y + 1) + p(x + 1, y + 1). Where the picture is
 * smooth, this difference holds only noise, with twice the noise's standard
 * deviation.
 */
function mixedDifferences(
  { width, height, data }: RgbImage,
  channel: number,
): number[] {
  const differences: number[] = [];
  const row = 3 * width;
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const at = y * row + 3 * x + channel;
      differences.push(
        data[at] - data[at + 3] - data[at + row] + data[at + row + 3],
      );
    }
  }
  return differences;
}

/**
 * The noise's standard deviation, estimated by the median because edges are
 * few.
 */
function noiseOf(differences: readonly number[]): number {
  const sizes = differences.map(Math.abs).sort((a, b) => a - b);
  return sizes[sizes.length >> 1] / NORMAL_MEDIAN / 2;
}

/**
 * The share of places where both channels change in the same direction, among
 * the places where both change.
 */
function shareAlike(a: readonly number[], b: readonly number[]): number {
  let both = 0;
  let alike = 0;
  for (let i = 0; i < a.length; i++) {
    const product = a[i] * b[i];
    if (product !== 0) both++;
    if (product > 0) alike++;
  }
  return both === 0 ? 1 : alike / both;
}
