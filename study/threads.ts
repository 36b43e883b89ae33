/**
 * Workers for runtimes without `Worker`: Node's threads, adapted to the part of
 * a browser worker's interface that `eval/` uses.
 */

import { builtin } from "../io/builtin.ts";

/** The part of `node:worker_threads` that is used. */
interface Thread {
  on(event: string, listener: (value: unknown) => void): void;
  postMessage(message: unknown, moved?: readonly ArrayBuffer[]): void;
  terminate(): Promise<number>;
  unref(): void;
}

/** Starts a worker of `eval/`; null if the runtime has workers of its own. */
export const createWorker: (() => Worker) | null = typeof Worker === "undefined"
  ? createThread
  : null;

function createThread(): Worker {
  const { Worker: NodeWorker } = builtin<{
    Worker: new (url: URL) => Thread;
  }>("node:worker_threads");
  const here = import.meta.url;
  const extension = here.endsWith(".ts") ? "ts" : "js";
  const thread = new NodeWorker(new URL(`./node_worker.${extension}`, here));
  const worker = {
    onmessage: null as ((event: { readonly data: unknown }) => void) | null,
    onerror: null as
      | ((
        event: { readonly message: string; preventDefault(): void },
      ) => void)
      | null,
    postMessage: thread.postMessage.bind(thread),
    addEventListener(name: string, listener: () => void): void {
      thread.on(name, listener);
    },
    terminate(): void {
      thread.terminate();
    },
  };
  const fail = (message: string): void =>
    worker.onerror?.({ message, preventDefault: () => {} });
  thread.on("message", (data) => worker.onmessage?.({ data }));
  thread.on("error", (error) => fail((error as Error).message));
  // The exit event also follows an error, which has already been reported.
  thread.on("exit", () => fail("its thread ended"));
  return worker as unknown as Worker;
}
