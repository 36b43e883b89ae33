// The pool goes on when workers die.

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromKeepCounts } from "../../core/mod.ts";
import { createEvaluator } from "../../eval/mod.ts";
import { keepAll } from "../_llava.ts";
import { byIndex, createPool, model, set } from "../_pool.ts";

const WORKER = new URL("../../eval/worker.ts", import.meta.url);
const MORTAL = new URL("../_mortal_worker.ts", import.meta.url);
const startWorker = (url: URL): Worker => new Worker(url, { type: "module" });

Deno.test("createEvaluatorPool() replaces workers that die and gives the results of an undisturbed run", async (t) => {
  const schedule = fromKeepCounts([16, 9, 7, 2], 16);
  const options = { batchSize: 2, ranking: "random" } as const;
  const undisturbed = byIndex(
    await createEvaluator(model, set, options)(schedule),
  );
  /** Ways to die in mid-run, with or without an event that tells of it. */
  const deaths: Record<string, (worker: Worker) => void> = {
    "by an error": (worker) => worker.postMessage({ kind: "throw" }),
    "silently": (worker) => worker.postMessage({ kind: "close" }),
    "terminated": (worker) => worker.terminate(),
    "mute": (worker) => {
      worker.dispatchEvent(new MessageEvent("messageerror"));
    },
  };
  for (const [how, kill] of Object.entries(deaths)) {
    await t.step(how, async () => {
      const workers: Worker[] = [];
      // The first one, from its first word on.
      let mayDie = false;
      const onFirstWord = (): void => {
        mayDie = true;
      };
      using pool = createPool(2, {
        createWorker: () => {
          const worker = startWorker(MORTAL);
          if (workers.push(worker) === 1) {
            worker.addEventListener("message", onFirstWord, { once: true });
          }
          return worker;
        },
      });
      const done: number[] = [];
      const evaluate = pool.createEvaluator(set, {
        ...options,
        onProgress: (samples) => {
          done.push(samples);
          if (mayDie && done.length >= 3) {
            mayDie = false;
            kill(workers[0]);
          }
        },
      });
      // Were a death not noticed, the run would never end.
      const signal = AbortSignal.timeout(60_000);
      const { samples } = await evaluate(schedule, { signal });
      assertEquals(samples, undisturbed);
      assertEquals(workers.length, 3);
      // Once each, although batches that were under way ran again.
      assertEquals(done, [...new Set(done)]);
      assertEquals(done.at(-1), set.samples.length);
      // The new worker knows what the old one knew.
      assertEquals((await evaluate(schedule)).samples, undisturbed);
      assertEquals(workers.length, 3);
    });
  }
});

Deno.test("createEvaluatorPool() replaces a worker that died between two runs", async () => {
  const workers: Worker[] = [];
  using pool = createPool(1, {
    createWorker: () => workers[workers.push(startWorker(MORTAL)) - 1],
  });
  const evaluate = pool.createEvaluator(set);
  const before = await evaluate(keepAll(model));
  workers[0].terminate();
  assertEquals(await evaluate(keepAll(model)), before);
  assertEquals(workers.length, 2);
});

Deno.test("createEvaluatorPool() gives up when workers die without getting anywhere, and says of what", async () => {
  let started = 0;
  let url = new URL("data:text/javascript,throw new Error('out of memory')");
  using pool = createPool(1, {
    createWorker: () => {
      started++;
      return startWorker(url);
    },
  });
  const evaluate = pool.createEvaluator(set);
  const error = await assertRejects(() => evaluate(keepAll(model)), Error);
  assertMatch(
    error.message,
    /^Cannot go on as 4 workers died one after the other: .*out of memory$/,
  );
  assertEquals(started, 4);
  // What was wrong may have been put right since.
  url = WORKER;
  const { samples } = await evaluate(keepAll(model));
  assertEquals(samples.length, set.samples.length);
  assertEquals(started, 5);
});

Deno.test("createEvaluatorPool() rejects when no worker can be started at all", async () => {
  using pool = createPool(2, {
    createWorker: () => {
      throw new Error("no more threads");
    },
  });
  await assertRejects(
    () => pool.createEvaluator(set)(keepAll(model)),
    Error,
    "no more threads",
  );
});
