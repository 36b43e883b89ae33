/**
 * Shapes and the checks of uploads that all backends share.
 *
 * This module is browser compatible.
 */

/** How many values a shape holds. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/**
 * Checks what a backend is given to upload.
 *
 * @throws {TypeError} the data does not have as many values as its shape
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
 * Checks rows that a backend is given to upload after `start` others.
 *
 * @returns how many there are
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
