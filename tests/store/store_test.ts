// The store of trials within one process. Several processes, kills and full
// disks: store_processes_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { canonicalJson } from "../../store/identity.ts";
import { StudyBusyError, type TrialStore } from "../../store/mod.ts";
import {
  alter,
  evaluationOf,
  filesIn,
  IDENTITY,
  open,
  seeded,
  trialOf,
  trialsOf,
  withPath,
} from "../_store.ts";

/** A store with a study of so many trials, closed again. */
async function fill(path: string, trials: number): Promise<void> {
  const store = await open(path);
  const study = await store.study(IDENTITY);
  for (const trial of trialsOf(trials)) {
    await study.append(trial, { evaluation: evaluationOf(5) });
  }
  await store.close();
}

async function recordedIn(
  store: TrialStore,
  identity = IDENTITY,
): Promise<readonly unknown[]> {
  const study = await store.study(identity);
  await study.release();
  return study.recorded;
}

/** Runs `body` with a store in a file, and again with one in memory. */
function testStore(
  name: string,
  body: (store: TrialStore) => Promise<void>,
): void {
  Deno.test(`${name}, in a file`, () =>
    withPath(async (path, folder) => {
      const store = await open(path);
      await body(store);
      await store.close();
      assertEquals(filesIn(folder), ["trials.sqlite"]);
    }));
  Deno.test(`${name}, in memory`, async () => {
    const store = await open(":memory:");
    await body(store);
    await store.close();
  });
}

testStore("a study goes on with its trials as they were", async (store) => {
  const study = await store.study(IDENTITY);
  assertEquals([study.number, study.recorded, study.state], [1, [], null]);
  for (const trial of trialsOf(3)) await study.append(trial);
  await study.release();
  const again = await store.study(IDENTITY);
  assertEquals([again.number, again.recorded], [1, trialsOf(3)]);
  await again.append(trialOf(3));
  await again.release();
  assertEquals(await recordedIn(store), trialsOf(4));
});

testStore("A, then B, then A goes on with A", async (store) => {
  const a = await store.study(seeded(1));
  const b = await store.study(seeded(2));
  await a.append(trialOf(0));
  await b.append(trialOf(10));
  await a.append(trialOf(1));
  await Promise.all([a.release(), b.release()]);
  assertEquals(await recordedIn(store, seeded(1)), trialsOf(2));
  assertEquals(await recordedIn(store, seeded(2)), [trialOf(10)]);
});

testStore(
  "the order of an identity's keys does not matter, and all of its values do",
  async (store) => {
    const { search, questions, model } = IDENTITY;
    const study = await store.study(IDENTITY);
    await study.append(trialOf(0));
    await study.release();
    const options = { seed: 3, criterion: { epsilon: 0.5, kind: "loss" } };
    const same = { options, search, questions, model };
    assertEquals(await recordedIn(store, same), [trialOf(0)]);
    for (
      const other of [
        { ...same, model: "n" },
        { ...same, questions: "r" },
        { ...same, search: "P-Sigmoid" },
        { ...same, options: { ...options, seed: 4 } },
        { ...same, options: { ...options, seed: "3" } },
        { ...same, options: { ...options, more: null } },
      ]
    ) {
      assertEquals(await recordedIn(store, other), []);
    }
  },
);

testStore("a study that is run is not opened twice", async (store) => {
  const study = await store.study(IDENTITY);
  const error = await assertRejects(
    () => store.study(IDENTITY),
    StudyBusyError,
  );
  assertEquals(error.holder.pid, Deno.pid);
  assert(
    error.message.endsWith(
      ` as process ${Deno.pid} has run it since ${error.holder.since}`,
    ),
  );
  // Whoever waits has it when it is free, with what was recorded meanwhile.
  const told: number[] = [];
  const next = await store.study(IDENTITY, {
    async onWait({ pid }) {
      told.push(pid);
      await study.append(trialOf(0));
      await study.release();
    },
  });
  assertEquals([next.recorded, told], [[trialOf(0)], [Deno.pid]]);
  await assertRejects(
    () => study.append(trialOf(1)),
    Error,
    "as it was released",
  );
  // Released twice, it is still the other's.
  await study.release();
  await assertRejects(() => store.study(IDENTITY), StudyBusyError);
  await next.release();
});

testStore("waiting for a study ends with the signal", async (store) => {
  const study = await store.study(IDENTITY);
  const ending = new AbortController();
  const waiting = store.study(IDENTITY, {
    onWait: () => ending.abort(new Error("enough")),
    signal: ending.signal,
  });
  await assertRejects(() => waiting, Error, "enough");
  await study.release();
});

testStore("names are of one study, given when it is opened", async (store) => {
  await (await store.study(seeded(1))).release();
  await (await store.study(seeded(1), { name: "first" })).release();
  await assertRejects(
    () => store.study(seeded(2), { name: "first" }),
    RangeError,
    "has it: options.seed is 2 here and 1 there",
  );
  await (await store.study(seeded(1))).release();
  await (await store.study(seeded(2), { name: "second" })).release();
  const names = (await store.list()).map(({ name }) => name);
  assertEquals(names, ["first", "second"]);
});

testStore(
  "list() tells what studies there are and who runs them",
  async (store) => {
    const before = new Date().toISOString();
    const study = await store.study(seeded(1), { description: "a try" });
    await study.append(trialOf(0));
    await (await store.study(seeded(2))).release();
    const [first, second] = await store.list();
    const { created, holder, ...rest } = first;
    assertEquals(rest, {
      number: 1,
      name: null,
      description: "a try",
      identity: seeded(1),
      program: "1.2.3",
      trials: 1,
    });
    assertEquals(holder?.pid, Deno.pid);
    assert(before <= created && created <= holder!.since);
    assertEquals(
      [second.description, second.trials, second.holder],
      ["G-Search", 0, null],
    );
    await study.release();
    assertEquals((await store.list())[0].holder, null);
  },
);

testStore("exportLines() gives studies as JSON Lines", async (store) => {
  const study = await store.study(seeded(1), { name: "one" });
  await study.append(trialOf(0));
  await study.append(trialOf(1));
  await study.release();
  await (await store.study(seeded(2), { name: "one/more" })).release();
  await (await store.study(seeded(3), { name: "oneself" })).release();
  const lines: Record<string, unknown>[] = [];
  for await (const line of store.exportLines()) {
    assert(line.endsWith("\n"));
    lines.push(JSON.parse(line));
  }
  const { created: _, ...head } = lines[0];
  assertEquals(head, {
    study: 1,
    name: "one",
    description: "G-Search",
    program: "1.2.3",
    identity: seeded(1),
  });
  assertEquals(lines.slice(1, 3), [
    { study: 1, number: 0, trial: trialOf(0) },
    { study: 1, number: 1, trial: trialOf(1) },
  ]);
  assertEquals(lines.slice(3).map(({ study }) => study), [2, 3]);

  let chosen = 0;
  for await (const _ of store.exportLines("one")) chosen++;
  assertEquals(chosen, 4);
  await assertRejects(
    async () => {
      for await (const _ of store.exportLines("two"));
    },
    RangeError,
    "Cannot export study two as ",
  );
});

testStore("results of samples come back to the last bit", async (store) => {
  const study = await store.study(IDENTITY);
  for (const [i, generated] of [false, true].entries()) {
    await study.append(trialOf(i), { evaluation: evaluationOf(40, generated) });
    assertEquals(
      await store.trialEvaluation(1, i),
      evaluationOf(40, generated),
    );
  }
  await study.append(trialOf(2), { evaluation: { samples: [], total: 9 } });
  assertEquals(await store.trialEvaluation(1, 2), { samples: [], total: 9 });
  await study.append(trialOf(3));
  assertEquals(await store.trialEvaluation(1, 3), null);
  await study.release();
});

testStore("evaluations are kept by all that they depend on", async (store) => {
  const key = {
    model: "m",
    questions: "held out",
    schedule: [16, 8],
    rules: { ranking: "last" },
  };
  assertEquals(await store.evaluation(key), null);
  await store.keepEvaluation(key, evaluationOf(7, true));
  assertEquals(await store.evaluation({ ...key }), evaluationOf(7, true));
  for (
    const other of [
      { ...key, model: "n" },
      { ...key, questions: "others" },
      { ...key, schedule: [16, 9] },
      { ...key, rules: { ranking: "random" } },
    ]
  ) {
    assertEquals(await store.evaluation(other), null);
  }
  await store.keepEvaluation(key, evaluationOf(3));
  assertEquals(await store.evaluation(key), evaluationOf(3));
});

testStore(
  "the state of a search is that after its last trial",
  async (store) => {
    const study = await store.study(IDENTITY);
    await study.append(trialOf(0), { state: { best: [1, null] } });
    await study.append(trialOf(1), { state: { best: [2, null] } });
    await study.release();
    const again = await store.study(IDENTITY);
    assertEquals(again.state, { best: [2, null] });
    // A state of earlier trials is none of these.
    await again.append(trialOf(2));
    await again.release();
    const last = await store.study(IDENTITY);
    assertEquals([last.state, last.recorded.length], [null, 3]);
    await last.release();
  },
);

testStore(
  "takeOver() records trials from elsewhere, all or none",
  async (store) => {
    const study = await store.study(IDENTITY);
    await assertRejects(
      () => study.takeOver([trialOf(0), { ...trialOf(1), meanDrop: NaN }]),
      RangeError,
      "Cannot store a trial as meanDrop must be finite: current value is NaN",
    );
    await study.takeOver(trialsOf(3));
    await study.append(trialOf(3));
    await assertRejects(
      () => study.takeOver(trialsOf(1)),
      RangeError,
      "as it must have none: current value is 4",
    );
    await study.release();
    assertEquals(await recordedIn(store), trialsOf(4));
  },
);

testStore("what JSON or the bytes cannot hold is refused", async (store) => {
  const study = await store.study<unknown>(IDENTITY);
  for (const trial of [null, 3, "x"]) {
    await assertRejects(() => study.append(trial), RangeError, "an object");
  }
  const [sample] = evaluationOf(1).samples;
  for (
    const [change, says] of [
      [{ loss: -1 }, "loss of sample 0 must be finite and at least 0"],
      [{ loss: NaN }, "loss of sample 0 must be finite and at least 0"],
      [{ loss: Infinity }, "loss of sample 0 must be finite and at least 0"],
      [{ index: -1 }, "index must be an integer in [0, 2^32)"],
      [{ index: 0.5 }, "index must be an integer in [0, 2^32)"],
      [{ generated: [2 ** 32] }, "token must be an integer in [0, 2^32)"],
    ] as const
  ) {
    const evaluation = { samples: [{ ...sample, ...change }], total: 1 };
    await assertRejects(
      () => study.append(trialOf(0), { evaluation }),
      RangeError,
      says,
    );
  }
  await study.release();
  // Nor is half of it recorded.
  assertEquals(await recordedIn(store), []);
});

Deno.test("canonicalJson() refuses what is not JSON, and names it", () => {
  assertEquals(
    canonicalJson({ b: [1, null, "é"], a: { c: undefined, d: true } }, "x"),
    '{"a":{"d":true},"b":[1,null,"é"]}',
  );
  for (const value of [NaN, 1n, () => {}, undefined, Symbol("s")]) {
    let message = "";
    try {
      canonicalJson({ a: [value] }, "x");
    } catch (error) {
      message = (error as Error).message;
    }
    assertEquals(
      message,
      `Cannot store x.a[0] as it must be JSON: current value is ${
        String(value)
      }`,
    );
  }
});

// Every column, altered behind the store's back.
const ALTERATIONS: readonly [string, string, string][] = [
  [
    "a flipped verdict",
    `UPDATE trials SET record = replace(record, '"fail"', '"pass"') WHERE number = 3`,
    "trial 3 of study 1",
  ],
  [
    "a mean that is text",
    `UPDATE trials SET record = json_set(record, '$.meanDrop', 'x') WHERE number = 2`,
    "trial 2 of study 1",
  ],
  [
    "samples below 0",
    `UPDATE trials SET record = json_set(record, '$.samplesUsed', -7) WHERE number = 1`,
    "trial 1 of study 1",
  ],
  [
    "a record of another trial",
    `UPDATE trials SET (record, checksum) = (SELECT record, checksum FROM trials WHERE number = 0) WHERE number = 4`,
    "trial 4 of study 1",
  ],
  [
    "another checksum",
    `UPDATE trials SET checksum = checksum + 1 WHERE number = 0`,
    "trial 0 of study 1",
  ],
  [
    "a trial that is gone",
    `PRAGMA foreign_keys = OFF; DELETE FROM trials WHERE number = 2`,
    "as its trials must be 5 in a row: trial 2 is missing",
  ],
  [
    "a last trial that is gone",
    `PRAGMA foreign_keys = OFF; DELETE FROM trials WHERE number = 4`,
    "trial 4 is missing",
  ],
  [
    "one trial more",
    `INSERT INTO trials SELECT study, 5, record, checksum FROM trials WHERE number = 4`,
    "trial 5 is one more",
  ],
  [
    "another number",
    `PRAGMA foreign_keys = OFF; UPDATE trials SET number = 9 WHERE number = 4`,
    "trial 4 is missing",
  ],
  [
    "another study",
    `PRAGMA foreign_keys = OFF; UPDATE trials SET study = 9 WHERE number = 1`,
    "trial 1 is missing",
  ],
  [
    "another hash",
    `UPDATE studies SET identity = json_set(identity, '$.model', 'n')`,
    "its hash does not match",
  ],
];

for (const [what, sql, says] of ALTERATIONS) {
  Deno.test(`a study with ${what} is refused`, () =>
    withPath(async (path) => {
      await fill(path, 5);
      await alter(path, sql);
      const store = await open(path);
      const { message } = await assertRejects(
        () => store.study(IDENTITY),
        RangeError,
        says,
      );
      assert(message.startsWith("Cannot use ") && message.includes(path));
      // It is nobody's, and other studies are as good as before.
      assertEquals((await store.list())[0].holder, null);
      assertEquals(await recordedIn(store, seeded(9)), []);
      await store.close();
    }));
}

Deno.test("altered results of samples and states are refused", () =>
  withPath(async (path) => {
    const key = { model: "m", questions: "q", schedule: [4, 2], rules: {} };
    const store = await open(path);
    const study = await store.study(IDENTITY);
    await study.append(trialOf(0), {
      evaluation: evaluationOf(3),
      state: { a: 1 },
    });
    await store.keepEvaluation(key, evaluationOf(4));
    await store.close();
    // One bit of a loss, one of a flag.
    await alter(
      path,
      `UPDATE trial_results SET results = CAST(substr(results, 1, 12) || char(0) || substr(results, 14) AS BLOB);
       UPDATE evaluations SET results = zeroblob(length(results));
       UPDATE states SET state = '{"a":2}'`,
    );
    const altered = await open(path);
    await assertRejects(
      () => altered.trialEvaluation(1, 0),
      RangeError,
      "Cannot use samples of trial 0 of study 1 of ",
    );
    await assertRejects(
      () => altered.evaluation(key),
      RangeError,
      "Cannot use the evaluation of schedule [4,2] of ",
    );
    await assertRejects(
      () => altered.study(IDENTITY),
      RangeError,
      "Cannot use the state of study 1 of ",
    );
    await altered.close();
  }));

Deno.test("impossible rows are refused by the tables themselves", () =>
  withPath(async (path) => {
    await fill(path, 1);
    for (
      const sql of [
        "INSERT INTO trials VALUES (1, -1, '{}', 0)",
        "INSERT INTO trials VALUES (1, 1, '[]', 0)",
        "INSERT INTO trials VALUES (1, 1, 'x', 0)",
        "INSERT INTO trials VALUES (7, 0, '{}', 0)",
        "INSERT INTO trials VALUES (1, 0, '{}', 0)",
        "INSERT INTO trials VALUES (1, 'one', '{}', 0)",
        "UPDATE studies SET hash = 'short'",
        "UPDATE trial_results SET results = x''",
      ]
    ) {
      await assertRejects(() => alter(path, sql), Error, undefined, sql);
    }
  }));
