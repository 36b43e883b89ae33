/**
 * Whether a GPU has memory for a model. WebGPU does not say how much there is;
 * it can only be asked for.
 *
 * This module is browser compatible.
 */

import { USAGE } from "./buffers.ts";
import { GpuError } from "./device.ts";

/** What is asked for at once, in bytes. */
const CHUNK = 2 ** 30;

/**
 * Takes memory for a moment to see whether it is there. To be called before a
 * model is uploaded, which takes minutes where it is large.
 *
 * @param bytes how much there must be
 * @throws {GpuError} there is less; the message says how much
 */
export async function checkMemory(
  device: GPUDevice,
  bytes: number,
): Promise<void> {
  const taken: GPUBuffer[] = [];
  const most = Math.min(CHUNK, device.limits.maxBufferSize);
  try {
    for (let available = 0; available < bytes;) {
      const size = 4 * Math.ceil(Math.min(most, bytes - available) / 4);
      device.pushErrorScope("out-of-memory");
      taken.push(device.createBuffer({ size, usage: USAGE.storage }));
      if (await device.popErrorScope()) {
        throw new GpuError(
          "out-of-memory",
          `Cannot load a model as its weights must fit into the GPU's memory: ${bytes} bytes are needed, and ${available} are available`,
        );
      }
      available += size;
    }
  } finally {
    for (const buffer of taken) buffer.destroy();
  }
}
