import { WEIGHT_TYPES } from "../../core/mod.ts";
import { backendOn } from "../../gpu/backend.ts";
import { createContext } from "../../gpu/context.ts";
import { testUploads } from "../_uploads.ts";
import { device } from "../_gpu.ts";

for (const weightType of WEIGHT_TYPES) {
  // The second has them in parts, of a row or of a few.
  for (const bindable of [undefined, 300]) {
    Deno.test(
      `uploadRows() and uploadWeightRows() give what arrives at once when rows come in pieces (WebGPU, ${weightType}, ${
        bindable ?? "unlimited"
      })`,
      () => {
        const options = bindable === undefined ? {} : { bindable };
        return testUploads(
          backendOn(createContext(device, { ...options, weightType })),
        );
      },
    );
  }
}
