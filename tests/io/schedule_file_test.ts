// schedule.json, read again.

import { assertEquals, assertRejects } from "@std/assert";
import { readSchedule } from "../../io/mod.ts";

const GOOD = {
  format: "tokensieve schedule 1",
  visionTokens: 16,
  keep: [16, 9, 0],
  ranking: "last",
  positions: "reindexed",
};

/** Reads a schedule of a file with these fields, for a model of three layers. */
async function read(
  fields: Readonly<Record<string, unknown>>,
): ReturnType<typeof readSchedule> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, JSON.stringify(fields));
    return await readSchedule(path, 3);
  } catch (error) {
    // Errors as they read with a short name.
    (error as Error).message = (error as Error).message.replaceAll(path, "F");
    throw error;
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("readSchedule() reads counts, ranking and positions", async () => {
  const { keep, visionTokens } = GOOD;
  const schedule = { keep, visionTokens };
  assertEquals(await read(GOOD), {
    schedule,
    ranking: "last",
    positions: "reindexed",
  });
  const { ranking: _, positions: __, ...counts } = GOOD;
  assertEquals(await read(counts), {
    schedule,
    ranking: "instruction",
    positions: "original",
  });
});

Deno.test("readSchedule() lets layer 0 drop tokens where no attention before it is needed", async () => {
  const keep = [15, 9, 0];
  for (const ranking of ["next", "random", "uniform"]) {
    const { schedule } = await read({ ...GOOD, keep, ranking });
    assertEquals(schedule.keep, keep);
  }
});

Deno.test("readSchedule() names the file and what is wrong", async () => {
  const cases: [Readonly<Record<string, unknown>>, string][] = [
    [
      { format: "sieve" },
      'Cannot read F as format must be one of "tokensieve schedule 1": current value is "sieve"',
    ],
    [
      { visionTokens: 0 },
      "Cannot read F as visionTokens must be an integer >= 1: current value is 0",
    ],
    [
      { keep: [9, 9, 0] },
      "Cannot read F as keep must begin with all 16 vision tokens, as layer 0 has no attention before it to rank by: current value is [9,9,0]",
    ],
    [
      { keep: [16, 9] },
      "Cannot read F as keep must be 3 counts, one for each layer of the model: current value is [16,9]",
    ],
    [
      { keep: "all" },
      'Cannot read F as keep must be 3 counts, one for each layer of the model: current value is "all"',
    ],
    [
      { keep: [16, 9, 10] },
      "Cannot use F: Cannot make a schedule as the keep count of layer 2 must be an integer in [0, 9]: current value is 10",
    ],
    [
      { keep: [16, "9", 0] },
      "Cannot use F: Cannot make a schedule as the keep count of layer 1 must be an integer in [0, 16]: current value is 9",
    ],
    [
      { ranking: "best" },
      'Cannot read F as ranking must be one of "instruction", ',
    ],
    [
      { positions: "none" },
      'Cannot read F as positions must be one of "original", "reindexed": current value is "none"',
    ],
  ];
  for (const [fields, message] of cases) {
    await assertRejects(
      () => read({ ...GOOD, ...fields }),
      RangeError,
      message,
    );
  }
});
