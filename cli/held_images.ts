/**
 * The images of a data set as a model sees them, all in memory.
 */

import type { SampleSet } from "../eval/mod.ts";
import { formatBytes } from "../study/memory_plan.ts";

/** An image as a model sees it: one picture, or several tiles. */
type Tiles = SampleSet["images"][number];

/** Images that are read before one can say what the rest will take. */
const TYPICAL = 32;

/** What images are read from, and where they go. */
export interface HoldOptions<T> {
  /** One for each image. */
  readonly sources: readonly T[];
  /** Reads an image. */
  readonly load: (source: T) => Promise<Tiles>;
  /** What to call all of them. */
  readonly label: string;
  /** Bytes that they may take. */
  readonly room: number;
}

/**
 * Reads images, and holds them in memory that workers share instead of copying.
 *
 * @throws {RangeError} they will take more room than there is, as told from the
 *   first ones
 */
export async function holdImages<T>(
  { sources, load, label, room }: HoldOptions<T>,
): Promise<Tiles[]> {
  const images: Tiles[] = [];
  let bytes = 0;
  for (const source of sources) {
    const tiles = await load(source);
    bytes += tiles.reduce((sum, { data }) => sum + data.length, 0);
    images.push(tiles.map((tile) => ({ ...tile, data: shared(tile.data) })));
    const expected = bytes / images.length * sources.length;
    if (bytes > room || (images.length >= TYPICAL && expected > room)) {
      throw new RangeError(
        `Cannot hold the ${sources.length} images of ${label} as they take about ${
          formatBytes(expected)
        }: ${
          formatBytes(room)
        } are available; use fewer --calibration or --heldout questions`,
      );
    }
  }
  return images;
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
