// The pool's worker, which can also be told to die.

import "../eval/worker.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ readonly kind: string }>) => void;
  close(): void;
};
const live = scope.onmessage;
scope.onmessage = (event) => {
  if (event.data.kind === "throw") throw new Error("as it was told");
  if (event.data.kind === "close") scope.close();
  else live(event);
};
