// What the host uploads is sent on the way, not when the first kernel runs.

import { assert, assertEquals } from "@std/assert";
import { createGpuBackend, requestGpu } from "../../gpu/mod.ts";
import "../_gpu.ts";

Deno.test("uploads to a GPU are submitted before much of them waits", async () => {
  const device = await requestGpu();
  try {
    let waiting = 0;
    let most = 0;
    let written = 0;
    const { queue } = device;
    const write = queue.writeBuffer.bind(queue);
    const submit = queue.submit.bind(queue);
    queue.writeBuffer = (buffer, offset, data) => {
      written += data.byteLength;
      waiting += data.byteLength;
      most = Math.max(most, waiting);
      write(buffer, offset, data);
    };
    queue.submit = (commands) => {
      waiting = 0;
      submit(commands);
    };
    const backend = createGpuBackend(device);
    const rows = new Float32Array(2 ** 22);
    for (let i = 0; i < 10; i++) {
      const x = i % 2
        ? backend.upload(rows, [2 ** 10, 2 ** 12])
        : backend.uploadWeight(rows, [2 ** 10, 2 ** 12]);
      backend.free([x]);
    }
    assertEquals(written, 10 * rows.byteLength);
    assert(most <= 2 ** 26 + rows.byteLength, `${most}`);
  } finally {
    device.destroy();
  }
});
