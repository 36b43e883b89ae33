// models/tiny with weights in fewer bits on the GPU backend.

import { createGpuBackend } from "../../gpu/mod.ts";
import { device } from "../_gpu.ts";
import { testQuantized } from "../_quantized_model.ts";

for (const weightType of ["f16", "int8", "int4"] as const) {
  testQuantized(createGpuBackend(device, { weightType }), weightType);
}
