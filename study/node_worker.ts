/**
 * A worker of `eval/` on a Node thread, which lacks the global scope of a
 * worker. No module imports it. It is an entry of its own so that packages
 * include it.
 *
 * @example Starting it
 * ```ts ignore
 * import { Worker } from "node:worker_threads";
 *
 * new Worker(new URL(import.meta.resolve("@tokensieve/tokensieve/node-worker")));
 * ```
 *
 * @module
 */

import { builtin } from "../io/builtin.ts";

const { parentPort } = builtin<{
  parentPort: {
    on(
      event: "message" | "messageerror",
      listener: (data: unknown) => void,
    ): void;
    postMessage(message: unknown, moved?: readonly ArrayBuffer[]): void;
  };
}>("node:worker_threads");

const scope = globalThis as unknown as {
  onmessage?: (event: { readonly data: unknown }) => void;
  onmessageerror?: () => void;
  postMessage: typeof parentPort.postMessage;
};
scope.postMessage = parentPort.postMessage.bind(parentPort);
// The port keeps messages that arrive before worker.ts listens.
await import("../eval/worker.ts");
parentPort.on("message", (data) => scope.onmessage?.({ data }));
parentPort.on("messageerror", () => scope.onmessageerror?.());
