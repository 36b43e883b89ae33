/**
 * A worker that outlives its deaths: when its thread ends, another one is
 * started, told all that the first was told, and asked again what it still
 * owed. It reads weights from the checkpoint, one tensor after the other: no
 * copy of them is kept for the next thread.
 *
 * This module is browser compatible.
 */

import type { TensorStore } from "../core/mod.ts";
import type { SampleResult } from "../search/evaluate.ts";
import { defer } from "./deferred.ts";
import { whenFree } from "./life.ts";
import type {
  AddRequest,
  LoadRequest,
  RunRequest,
  TensorResult,
  WorkerReply,
  WorkerRequest,
} from "./messages.ts";

/** So many threads may die one after the other without an answer in between. */
const MAX_DEATHS = 4;

/** A request without an answer. */
interface OpenRun {
  readonly request: RunRequest;
  readonly resolve: (results: readonly SampleResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How a worker is started, and what it may read. */
export interface WorkerSource {
  /** Starts `worker.ts`. */
  readonly createWorker: () => Worker;
  /** The checkpoint. */
  readonly tensors: TensorStore;
}

/** What runs `worker.ts`, and what ends the watch over it. */
interface Thread {
  readonly worker: Worker;
  readonly watch: AbortController;
}

/** A worker that is replaced when it dies. */
export class LastingWorker implements Disposable {
  readonly #source: WorkerSource;
  /** What every new thread has to know. */
  readonly #told: (LoadRequest | AddRequest)[];
  /** In order of asking; the first is being run. */
  readonly #open: OpenRun[] = [];
  /** Null before the first request, and from a death to the next one. */
  #thread: Thread | null = null;
  /** Since the last answer. */
  #deaths = 0;
  #disposed = false;

  /** Takes note of the model. It is loaded when the first batch is to be run. */
  constructor(load: LoadRequest, source: WorkerSource) {
    this.#source = source;
    this.#told = [load];
  }

  /** Hands over the worker's share of a sample set. */
  add(request: AddRequest): void {
    this.#told.push(request);
    if (this.#thread) post(this.#thread, request);
  }

  /**
   * Runs a batch, after those that were asked for before.
   *
   * @throws what running it threw; an Error where too many threads died of it,
   *   or the worker was disposed
   */
  run(request: RunRequest): Promise<readonly SampleResult[]> {
    const { promise, resolve, reject } = defer<
      readonly SampleResult[]
    >();
    this.#open.push({ request, resolve, reject });
    if (this.#open.length === 1) this.#ask();
    return promise;
  }

  /** Ends the thread; what is open rejects. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#end();
    this.#ask();
  }

  #start(): Thread {
    const worker = this.#source.createWorker();
    const watch = new AbortController();
    const thread = { worker, watch };
    this.#thread = thread;
    const onDeath = (cause: string): void => {
      // A thread that was replaced already may still be heard of.
      if (this.#thread === thread) this.#replace(cause);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      // Browsers give no message where worker.ts cannot be loaded.
      onDeath(event.message?.split("\n", 1)[0] || "it could not be loaded");
    };
    // Chrome has this event, but no property for its handler.
    worker.addEventListener(
      "messageerror",
      () => onDeath("its answer could not be read"),
    );
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      if (this.#thread !== thread) return;
      switch (data.kind) {
        case "alive":
          whenFree(data.lock, watch.signal, () => onDeath("its thread ended"));
          break;
        case "read":
          this.#sendTensor(thread, data);
          break;
        default:
          this.#settle(data);
      }
    };
    for (const request of this.#told) post(thread, request);
    return thread;
  }

  /** Sends the first open request, to a new thread where there is none. */
  #ask(): void {
    if (this.#open.length === 0) return;
    if (this.#disposed) {
      return this.#rejectAll("Cannot evaluate as the pool was disposed");
    }
    const [{ request, reject }] = this.#open;
    try {
      post(this.#thread ?? this.#start(), request);
    } catch (error) {
      // The runtime starts no more threads, or cannot copy what one has to know.
      this.#end();
      this.#open.shift();
      reject(error);
      this.#ask();
    }
  }

  /** Reads a tensor for a thread that needs it. */
  async #sendTensor(
    thread: Thread,
    { number, args }: Extract<WorkerReply, { kind: "read" }>,
  ): Promise<void> {
    const send = (result: TensorResult, moved: ArrayBufferLike[]): void => {
      if (this.#thread === thread) {
        post(thread, { kind: "tensor", number, ...result }, moved);
      }
    };
    try {
      const values = await this.#source.tensors.read(...args);
      send({ values }, [values.buffer]);
    } catch (error) {
      try {
        send({ error }, []);
      } catch {
        // An error may hold what cannot be copied to another thread.
        send({ error: new Error((error as Error)?.message ?? `${error}`) }, []);
      }
    }
  }

  #settle(reply: Exclude<WorkerReply, { kind: "alive" | "read" }>): void {
    this.#deaths = 0;
    const { resolve, reject } = this.#open.shift()!;
    if (reply.kind === "results") resolve(reply.results);
    else reject(reply.error);
    this.#ask();
  }

  #replace(cause: string): void {
    this.#end();
    if (this.#open.length > 0) this.#deaths++;
    if (this.#deaths === MAX_DEATHS) {
      this.#deaths = 0;
      this.#rejectAll(
        `Cannot go on as ${MAX_DEATHS} workers died one after the other: ${cause}`,
      );
    }
    this.#ask();
  }

  #end(): void {
    this.#thread?.watch.abort();
    this.#thread?.worker.terminate();
    this.#thread = null;
  }

  #rejectAll(message: string): void {
    for (const { reject } of this.#open.splice(0)) reject(new Error(message));
  }
}

/** Buffers that are moved leave this thread; all else is copied. */
function post(
  { worker }: Thread,
  request: WorkerRequest,
  moved: ArrayBufferLike[] = [],
): void {
  worker.postMessage(request, moved as ArrayBuffer[]);
}
