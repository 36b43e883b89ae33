/**
 * A worker that restarts. When its thread dies, a new thread is started, receives
 * the model and all sample sets again, and runs the open batches again. A new
 * thread reads the weights from the checkpoint again, one tensor at a time, so
 * that no copy has to be kept.
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

/** Threads that may die in a row without an answer in between. */
const MAX_DEATHS = 4;

/** A batch without an answer yet. */
interface OpenRun {
  readonly request: RunRequest;
  readonly resolve: (results: readonly SampleResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How a worker is started, and the weights that it may read. */
export interface WorkerSource {
  /** Starts `worker.ts`. */
  readonly createWorker: () => Worker;
  /** The checkpoint. */
  readonly tensors: TensorStore;
}

/** A thread that runs `worker.ts`, and the signal that ends watching it. */
interface Thread {
  readonly worker: Worker;
  readonly watch: AbortController;
}

/** A worker that is replaced when it dies. */
export class LastingWorker implements Disposable {
  readonly #source: WorkerSource;
  /** Messages for every new thread: the model and the sample sets. */
  readonly #told: (LoadRequest | AddRequest)[];
  /** Open batches in order; the first is running. */
  readonly #open: OpenRun[] = [];
  /** Null before the first batch, and between a death and the next batch. */
  #thread: Thread | null = null;
  /** Deaths since the last answer. */
  #deaths = 0;
  #disposed = false;

  /** Stores the request that loads the model; the first batch sends it. */
  constructor(load: LoadRequest, source: WorkerSource) {
    this.#source = source;
    this.#told = [load];
  }

  /** Gives the worker its share of a sample set. */
  add(request: AddRequest): void {
    this.#told.push(request);
    if (this.#thread) post(this.#thread, request);
  }

  /**
   * Runs a batch, after all earlier ones.
   *
   * @throws the error of the batch; or an Error if too many threads died, or the
   *   worker was disposed
   */
  run(request: RunRequest): Promise<readonly SampleResult[]> {
    const { promise, resolve, reject } = defer<
      readonly SampleResult[]
    >();
    this.#open.push({ request, resolve, reject });
    if (this.#open.length === 1) this.#ask();
    return promise;
  }

  /** Ends the thread; open batches reject. */
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
      // A replaced thread may still send events.
      if (this.#thread === thread) this.#replace(cause);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      // Browsers give no message if worker.ts cannot be loaded.
      onDeath(event.message?.split("\n", 1)[0] || "it could not be loaded");
    };
    // Chrome has this event but no `onmessageerror` property.
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

  /** Sends the first open batch, to a new thread if there is none. */
  #ask(): void {
    if (this.#open.length === 0) return;
    if (this.#disposed) {
      return this.#rejectAll("Cannot evaluate as the pool was disposed");
    }
    const [{ request, reject }] = this.#open;
    try {
      post(this.#thread ?? this.#start(), request);
    } catch (error) {
      // The runtime cannot start another thread or cannot copy the messages.
      this.#end();
      this.#open.shift();
      reject(error);
      this.#ask();
    }
  }

  /** Reads a tensor on behalf of a thread. */
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
        // Some errors cannot be copied to another thread.
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

/** Posts a message; `moved` buffers are transferred, the rest is copied. */
function post(
  { worker }: Thread,
  request: WorkerRequest,
  moved: ArrayBufferLike[] = [],
): void {
  worker.postMessage(request, moved as ArrayBuffer[]);
}
