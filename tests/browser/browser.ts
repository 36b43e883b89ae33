/** Finding and starting a browser whose WebGPU computes in software. */

import { type Browser, chromium } from "playwright-core";

/** Where systems put Chromium and Chrome, in the order to look. */
const USUAL_PLACES: readonly string[] = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * Finds Chromium or Chrome.
 *
 * @param path where it is; looked for in the usual places where undefined
 * @throws {Error} there is none
 */
export function findBrowser(path?: string): string {
  if (path !== undefined && !isFile(path)) {
    throw new Error(`Cannot start ${path} as there is no such file`);
  }
  const found = path ?? USUAL_PLACES.find(isFile);
  if (found !== undefined) return found;
  throw new Error(
    "Cannot find Chromium or Chrome: install it (apt-get install chromium), or say where it is with --browser PATH",
  );
}

/** Starts a browser without a window. */
export async function startBrowser(executablePath: string): Promise<Browser> {
  return await chromium.launch({
    executablePath,
    args: [
      "--enable-unsafe-webgpu",
      // The same adapter on every machine.
      "--use-webgpu-adapter=swiftshader",
    ],
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
