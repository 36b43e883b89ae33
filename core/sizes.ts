/**
 * Shapes and the checks of uploads that all backends share.
 *
 * This module is browser compatible.
 */

/** The number of values of a shape. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/**
 * Checks data for an upload.
 *
 * @throws {TypeError} the number of values is not the product of the shape
 */
export function checkSize(
  data: Float32Array | Int32Array,
  shape: readonly number[],
): void {
  if (data.length !== sizeOf(shape)) {
    throw new TypeError(
      `Cannot upload data as shape [${shape}] needs ${
        sizeOf(shape)
      } values: got ${data.length}`,
    );
  }
}

/**
 * Checks a block of rows for an upload, after `start` earlier rows.
 *
 * @returns the number of rows
 * @throws {TypeError} they are not whole rows, or more than are missing
 */
export function checkRows(
  data: Float32Array,
  [rows, ...rest]: readonly number[],
  start: number,
): number {
  const width = sizeOf(rest);
  const count = data.length / width || 0;
  if (!Number.isInteger(count) || start + count > rows) {
    throw new TypeError(
      `Cannot upload rows as they must have ${width} values each, and ${
        rows - start
      } are missing: got ${data.length} values`,
    );
  }
  return count;
}
