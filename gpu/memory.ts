/**
 * Whether a GPU has memory for a model. WebGPU does not say how much there is;
 * it can only be asked for.
 *
 * This module is browser compatible.
 */

import { USAGE } from "./buffers.ts";

/** What is asked for at once, in bytes. */
const CHUNK = 2 ** 30;

/**
 * Takes memory for a moment to see whether it is there. To be called before a
 * model is uploaded, which takes minutes where it is large.
 *
 * @param bytes how much is wanted
 * @returns how much of that there is, to a chunk
 */
export async function availableMemory(
  device: GPUDevice,
  bytes: number,
): Promise<number> {
  const taken: GPUBuffer[] = [];
  const most = Math.min(CHUNK, device.limits.maxBufferSize);
  let available = 0;
  try {
    while (available < bytes) {
      const size = 4 * Math.ceil(Math.min(most, bytes - available) / 4);
      device.pushErrorScope("out-of-memory");
      taken.push(device.createBuffer({ size, usage: USAGE.storage }));
      if (await device.popErrorScope()) break;
      available += size;
    }
  } finally {
    for (const buffer of taken) buffer.destroy();
  }
  return available;
}
