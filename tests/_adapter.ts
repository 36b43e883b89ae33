/**
 * Which GPU tests run. This is the only place that decides; `_gpu.ts` obeys it in
 * every file of GPU tests, and `run.ts` tells what was left out.
 */

import { gpuName } from "../gpu/mod.ts";
import { SOFTWARE_ADAPTERS } from "../study/device.ts";

/** What the decision depends on, of an adapter. */
export type AdapterInfo = Pick<
  GPUAdapterInfo,
  | "vendor"
  | "architecture"
  | "device"
  | "description"
  | "isFallbackAdapter"
  | "subgroupMinSize"
  | "subgroupMaxSize"
>;

/** The environment variable that turns a missing adapter into a failure. */
export const REQUIRE = "TOKENSIEVE_REQUIRE_GPU";

/** Ends the name of a GPU test that is left out; `run.ts` counts by it. */
export const LEFT_OUT = " [needs a GPU]";

/**
 * Why GPU tests are left out; null where all of them run.
 *
 * @param info of the adapter that WebGPU gives; null where there is none
 */
export function whyLeftOut(info: AdapterInfo | null): string | null {
  if (!info) return "WebGPU finds no adapter";
  return isLlvmpipeOnOpenGl(info)
    ? `${gpuName(info)} on OpenGL takes tens of seconds to compile a pipeline`
    : null;
}

/**
 * Mesa's software renderer calls itself llvmpipe on Vulkan and on OpenGL. On
 * Vulkan it tells the size of its subgroups, which is the width of its vectors.
 * OpenGL has no such query, and WebGPU gives the widest range for it, 4 to 128.
 */
function isLlvmpipeOnOpenGl(info: AdapterInfo): boolean {
  return /llvmpipe/i.test(gpuName(info)) &&
    info.subgroupMinSize === 4 && info.subgroupMaxSize === 128;
}

/**
 * Asks WebGPU as `requestGpu` does, and says why GPU tests are left out; null
 * where all of them run.
 *
 * @throws {Error} they would be left out, but the environment requires them
 */
export async function findWhyLeftOut(): Promise<string | null> {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({
    powerPreference: "high-performance",
  });
  const leftOut = whyLeftOut(adapter?.info ?? null);
  // A page has no environment, and `browser/run.ts` wants an adapter anyway.
  checkRequired(leftOut, globalThis.Deno?.env?.get(REQUIRE));
  return leftOut;
}

/**
 * Checks that GPU tests run where they must.
 *
 * @param required the value of the environment variable
 * @throws {Error} they would be left out; the message says why
 */
export function checkRequired(
  leftOut: string | null,
  required: string | undefined,
): void {
  if (leftOut === null || !required || required === "0") return;
  throw new Error(
    `Cannot leave out GPU tests as ${REQUIRE} must be unset for that, and ${leftOut}: current value is ${required}`,
  );
}

/** The line that ends a run of tests, given how many of them were left out. */
export function closingLine(count: number, leftOut: string): string {
  return `Left out: ${count} GPU ${
    count === 1 ? "test" : "tests"
  }, as ${leftOut}: ${SOFTWARE_ADAPTERS}`;
}
