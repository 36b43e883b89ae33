import { createReferenceBackend, WEIGHT_TYPES } from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { testUploads } from "../_uploads.ts";

for (const weightType of WEIGHT_TYPES) {
  for (
    const backend of [
      createReferenceBackend({ weightType }),
      createCpuBackend({ weightType }),
    ]
  ) {
    Deno.test(`uploadRows() and uploadWeightRows() give what arrives at once when rows come in pieces (${backend.name})`, () =>
      testUploads(backend));
  }
}
