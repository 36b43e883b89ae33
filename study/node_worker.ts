/**
 * A worker of `eval/` on a thread of Node, which lacks a worker's global scope.
 * Nobody imports it: it is an entry of its own so that packages hold it.
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
// Messages that came before worker.ts listens are kept by the port.
await import("../eval/worker.ts");
parentPort.on("message", (data) => scope.onmessage?.({ data }));
parentPort.on("messageerror", () => scope.onmessageerror?.());
