// The pool's worker, which can also be told to die. It gets its locks late, as on
// a busy machine.

import "../eval/worker.ts";

const scope = globalThis as unknown as {
  readonly navigator: {
    readonly locks: { request(...args: unknown[]): Promise<unknown> };
  };
  onmessage: (event: MessageEvent<{ readonly kind: string }>) => void;
  close(): void;
};

const { locks } = scope.navigator;
const request = locks.request.bind(locks);
locks.request = async (...args) => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return await request(...args);
};

const live = scope.onmessage;
scope.onmessage = (event) => {
  if (event.data.kind === "throw") throw new Error("as it was told");
  if (event.data.kind === "close") scope.close();
  else live(event);
};
