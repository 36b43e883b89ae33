// search.jsonl after every way in which a search may have ended.

import { assertEquals, assertRejects } from "@std/assert";
import { openTrialLog, runLogged, type SearchIdentity } from "../../cli/log.ts";
import type { Criterion, Trial } from "../../search/mod.ts";

const identity: SearchIdentity & { criterion: Criterion } = {
  model: "m",
  criterion: { kind: "bound", epsilon: 0.5 },
  firstLayer: 1,
  ranking: "instruction",
  positions: "original",
  samples: 24,
  fullLoss: 90.46716378941252,
};
const trials = [8, 4, 6].map((keep): Trial => ({
  layer: 1,
  keep,
  schedule: [16, keep, keep, keep],
  verdict: keep > 5 ? "pass" : "fail",
  samplesUsed: 24,
  meanDrop: keep / 7,
  remaining: 9 - keep,
  seconds: 0.1,
}));
const lines = [identity, ...trials].map((value) => JSON.stringify(value));

const silent = () => {};

/** Runs `body` with the path of a log that holds `text`. */
async function withLog(
  text: string | null,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/search.jsonl`;
    if (text !== null) await Deno.writeTextFile(path, text);
    await body(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const complete = (count: number): string =>
  lines.slice(0, count).map((line) => line + "\n").join("");

Deno.test("openTrialLog() begins with the identity and takes trials", async () => {
  await withLog(null, async (path) => {
    const log = await openTrialLog(path, identity, silent);
    assertEquals(log.recorded, []);
    assertEquals(await Deno.readTextFile(path), complete(1));
    for (const trial of trials) await log.append(trial);
    assertEquals(await Deno.readTextFile(path), complete(4));
  });
});

Deno.test("openTrialLog() goes on with the trials of the same search", async () => {
  await withLog(complete(3), async (path) => {
    const log = await openTrialLog(path, identity, silent);
    assertEquals(log.recorded, trials.slice(0, 2));
    await log.append(trials[2]);
    assertEquals(await Deno.readTextFile(path), complete(4));
  });
});

Deno.test("openTrialLog() drops a last line that was cut off, wherever", async () => {
  const [whole, cutLine] = [complete(2), lines[2]];
  for (let cut = 0; cut <= cutLine.length; cut++) {
    await withLog(whole + cutLine.slice(0, cut), async (path) => {
      const log = await openTrialLog(path, identity, silent);
      assertEquals(log.recorded, trials.slice(0, 1));
      await log.append(trials[1]);
      assertEquals(await Deno.readTextFile(path), complete(3));
    });
  }
});

Deno.test("openTrialLog() begins anew when the first line was cut off", async () => {
  for (const cut of [0, 1, 20, lines[0].length]) {
    await withLog(lines[0].slice(0, cut), async (path) => {
      const { recorded } = await openTrialLog(path, identity, silent);
      assertEquals(recorded, []);
      assertEquals(await Deno.readTextFile(path), complete(1));
    });
  }
});

Deno.test("openTrialLog() keeps nothing of another search that has no trial", async () => {
  for (const text of [complete(1), complete(1) + lines[1].slice(0, 20)]) {
    await withLog(text, async (path) => {
      await openTrialLog(path, { ...identity, samples: 25 }, silent);
      await assertRejects(
        () => Deno.stat(`${path}.old`),
        Deno.errors.NotFound,
      );
    });
  }
});

Deno.test("openTrialLog() begins anew when anything that the trials depend on differs, and keeps the trials", async () => {
  const others: Partial<typeof identity>[] = [
    { model: "n" },
    { criterion: { kind: "loss", epsilon: 0.5 } },
    { criterion: { kind: "bound", epsilon: 0.6 } },
    { firstLayer: 2 },
    { ranking: "last" },
    { positions: "reindexed" },
    { samples: 25 },
    { fullLoss: 90.46716378941 },
  ];
  for (const other of others) {
    await withLog(complete(4), async (path) => {
      const changed = { ...identity, ...other };
      const told: string[] = [];
      const { recorded } = await openTrialLog(
        path,
        changed,
        (text) => told.push(text),
      );
      assertEquals(told, [
        `  begins anew: ${path} was of another search, now in ${path}.old`,
      ]);
      assertEquals(recorded, []);
      assertEquals(
        await Deno.readTextFile(path),
        JSON.stringify(changed) + "\n",
      );
      assertEquals(await Deno.readTextFile(`${path}.old`), complete(4));
    });
  }
});

Deno.test("runLogged() names the log whose trials the search cannot take up", async () => {
  await withLog(complete(3), async (path) => {
    const log = await openTrialLog<unknown>(path, identity, silent);
    // deno-lint-ignore require-yield
    async function* search(): AsyncGenerator<unknown, void, void> {
      await Promise.reject(new RangeError("Cannot resume as it differs"));
    }
    await assertRejects(
      () => runLogged(search(), log, () => {}),
      RangeError,
      `Cannot go on with ${path}: Cannot resume as it differs. Remove it to begin anew`,
    );
  });
});

Deno.test("openTrialLog() rejects a line that is no trial", async () => {
  await withLog([lines[0], "null", ""].join("\n"), async (path) => {
    await assertRejects(
      () => openTrialLog(path, identity, silent),
      SyntaxError,
      `Cannot read ${path}, line 2 as it is no trial: null`,
    );
  });
});

Deno.test("openTrialLog() rejects a malformed line before the last, and leaves the file as it is", async () => {
  const text = [lines[0], lines[1].slice(0, 20), lines[2], ""].join("\n");
  await withLog(text, async (path) => {
    await assertRejects(
      () => openTrialLog(path, identity, silent),
      SyntaxError,
      `Cannot read ${path}, line 2 as it is not JSON: `,
    );
    assertEquals(await Deno.readTextFile(path), text);
  });
});
