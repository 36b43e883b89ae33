// Trials of search.ts: found again by whoever asks for the same, kept apart from
// those of others, listed, exported, and taken over from earlier versions.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Trial } from "../../search/mod.ts";
import {
  type EvaluationKey,
  openStore,
  type StudySummary,
} from "../../store/mod.ts";
import { alter } from "../_store.ts";
import {
  command,
  DATA,
  read,
  run,
  succeed,
  succeedJson,
  testIn,
  trialsIn,
} from "../_search_cli.ts";
import { decoded, finished } from "../_cli.ts";
import { writeQuestions } from "../_small_model.ts";

const ARGS: readonly string[] = [
  ...["--model=model", ...DATA, "--device=cpu"],
  ...["--criterion=loss", "--first-layer=1"],
];

async function filesIn(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => name).sort();
}

async function listed(place: string): Promise<readonly StudySummary[]> {
  const { result } = await succeedJson<{ studies: StudySummary[] }>(place, [
    "--list",
  ]);
  return result.studies;
}

testIn(
  "search.ts goes on with A after A and then B in one folder",
  async (place) => {
    const [a, b] = ["--epsilon=0.01", "--epsilon=0.5"];
    await succeed(place, [...ARGS, a]);
    const found = await read(place, "out/schedule.json");
    await succeed(place, [...ARGS, b]);
    assert(await read(place, "out/schedule.json") !== found);
    const trials = await trialsIn<Trial>(`${place}/out`, "loss 0.01");
    const out = await succeed(place, [...ARGS, a]);
    assert(out.includes(`goes on after trial ${trials.length} in out/trials`));
    // Durations and all.
    assertEquals(await trialsIn(`${place}/out`, "loss 0.01"), trials);
    assertEquals(await read(place, "out/schedule.json"), found);
    assertEquals((await listed(place)).length, 2);
  },
);

testIn(
  "two programs with one folder find what each finds alone",
  async (place) => {
    const seeds = ["--epsilon=0.01", "--epsilon=0.5"];
    const [alone] = await Promise.all(
      seeds.map(async (seed, i) => {
        await succeed(place, [...ARGS, seed, `--out=alone${i}`]);
        return await trialsIn<Trial>(`${place}/alone0`, "loss 0.01");
      }),
    );
    await Promise.all(seeds.map((seed) => succeed(place, [...ARGS, seed])));
    const trials = await trialsIn<Trial>(`${place}/out`, "loss 0.01");
    const withoutTime = ({ seconds: _, ...trial }: Trial) => trial;
    assertEquals(trials.map(withoutTime), alone.map(withoutTime));
    const last = await read(place, "out/schedule.json");
    const each = await Promise.all(
      [0, 1].map((i) => read(place, `alone${i}/schedule.json`)),
    );
    assert(each.includes(last));
  },
);

testIn(
  "of two equal searches in one folder the second waits, says for whom, and repeats nothing",
  async (place) => {
    await writeQuestions(`${place}/data`, "many.jsonl", 300, 3);
    const args = [
      ...["--model=model", "--device=cpu", "--calibration=data/many.jsonl"],
      ...["--heldout=data/heldout.jsonl", "--criterion=loss", "--epsilon=100"],
      "--first-layer=1",
    ];
    const children = [0, 1].map(() => command(place, args).spawn());
    const outputs = (await Promise.all(children.map((child) => child.output())))
      .map(decoded);
    assertEquals(outputs.map(({ code }) => code), [0, 0]);
    const waiting = outputs.findIndex(({ out }) => out.includes("waits for"));
    const waited = outputs[waiting].out.replaceAll(/\s+/g, " ");
    assertMatch(
      waited,
      new RegExp(
        `waits for process ${
          children[1 - waiting].pid
        }, which has run this search since 20`,
      ),
    );
    const { length } = await trialsIn<Trial>(`${place}/out`, "G-Search");
    assert(waited.includes(`goes on after trial ${length} in`), waited);
    assertEquals(await filesIn(`${place}/out`), [
      "schedule.json",
      "trials.sqlite",
    ]);
  },
  Deno.build.os === "windows",
);

testIn(
  "search.ts takes an evaluation on held-out questions from the store",
  async (place) => {
    const { result } = await succeedJson<Summary>(place, [...ARGS]);
    assert(result.full.accuracy < 1 && result.reduced.accuracy < 1);
    const path = `${place}/out/trials.sqlite`;
    const keys = await evaluationKeys(path);
    // Were they not taken from there, nobody would see what is put there.
    const store = await openStore(path, { program: "test" });
    for (const key of keys) {
      const { samples, total } = (await store.evaluation(key))!;
      if (key.questions === keys[0].questions) {
        await store.keepEvaluation(key, {
          samples: samples.map((sample) => ({ ...sample, correct: true })),
          total,
        });
      }
    }
    await store.close();
    const again = await succeedJson<Summary>(place, [...ARGS]);
    assertEquals(
      [again.result.full.accuracy, again.result.reduced.accuracy],
      [1, 1],
    );
    assertEquals((await evaluationKeys(path)).length, keys.length);
    // Another metric generates other answers, so they are evaluated anew.
    const other = await succeedJson<Summary>(place, [
      ...ARGS,
      "--metric=exact",
    ]);
    assertEquals(other.result.full.accuracy, result.full.accuracy);
  },
);

interface Summary {
  readonly full: { readonly accuracy: number };
  readonly reduced: { readonly accuracy: number };
}

/** The keys of all evaluations that are kept, the first one's of held-out ones. */
async function evaluationKeys(path: string): Promise<EvaluationKey[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  const rows = database.prepare("SELECT key FROM evaluations ORDER BY rowid")
    .all();
  database.close();
  return rows.map(({ key }) => JSON.parse(key as string));
}

testIn(
  "search.ts --list and --export tell of searches by their names",
  async (place) => {
    await succeed(place, [...ARGS, "--study=first"]);
    await succeed(place, [...ARGS, "--epsilon=0.5", "--study=second"]);
    const studies = await listed(place);
    assertEquals(
      studies.map(({ name, holder }) => [name, holder]),
      [["first/gsearch", null], ["second/gsearch", null]],
    );
    const table = await succeed(place, ["--list"], {
      env: { COLUMNS: "200", NO_COLOR: "1" },
    });
    assertMatch(table, /^study +name +trials +begun +run by$/m);
    assertMatch(
      table,
      /^2 {2}G-Search, loss 0\.5, model, 24 questions +second\/gsearch +\d+ +20\d\d-\d\d-\d\d \d\d:\d\d$/m,
    );
    const one = await succeed(place, ["--list", "--study=first"]);
    assert(one.includes("first/gsearch") && !one.includes("second/gsearch"));

    await succeed(place, ["--export=all.jsonl"]);
    await succeed(place, ["--export=two.jsonl", "--study=second"]);
    const lines = async (file: string) =>
      (await read(place, file)).trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
    const all = await lines("all.jsonl");
    const two = await lines("two.jsonl");
    assertEquals(all.length, 2 + studies[0].trials + studies[1].trials);
    assertEquals(two, all.slice(-1 - studies[1].trials));
    assertEquals(two[0].identity.options.criterion.epsilon, 0.5);
    assertEquals(two[1].trial.layer, 1);

    const errors: [string[], RegExp][] = [
      [
        ["--export=x.jsonl", "--study=third"],
        /^Cannot export study third as out\/trials\.sqlite has none of that name$/,
      ],
      [
        ["--list", "--out=nowhere"],
        /^Cannot list the studies of nowhere as there is no file nowhere\/trials\.sqlite$/,
      ],
      [
        [...ARGS, "--epsilon=0.4", "--study=first"],
        /^Cannot use the name first\/gsearch for this study as study 1 of out\/trials\.sqlite has it: options\.criterion\.epsilon is 0\.4 here and 0\.01 there$/m,
      ],
      [["--study="], /^Cannot use --study as it must be a name/],
    ];
    for (const [args, says] of errors) {
      const { code, err } = await run(place, args);
      assertEquals(code, 2);
      assertMatch(err.trimEnd(), says);
    }
    assertEquals((await filesIn(place)).includes("nowhere"), false);
  },
);

testIn(
  "search.ts names an altered trial, and begins nothing",
  async (place) => {
    await succeed(place, [...ARGS]);
    await alter(
      `${place}/out/trials.sqlite`,
      `UPDATE trials SET record = replace(record, '"fail"', '"pass"') WHERE number = 2;
       UPDATE trials SET record = replace(record, '"pass"', '"fail"') WHERE number = 3`,
    );
    const { code, err } = await run(place, ARGS);
    assertEquals(code, 2);
    assertMatch(
      err,
      /^Cannot use trial [23] of study 1 of out\/trials\.sqlite as it must be as it was recorded: its checksum is [0-9a-f]{8}, not [0-9a-f]{8}\n$/,
    );
  },
);

testIn(
  "search.ts sweeps up what a killed run left of its files",
  async (place) => {
    await Deno.mkdir(`${place}/out`);
    const left = `schedule.json.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(`${place}/out/${left}`, "{");
    await Deno.writeTextFile(`${place}/out/trials.sqlite-study-7.lock`, "");
    await succeed(place, [...ARGS]);
    assertEquals(await filesIn(`${place}/out`), [
      "schedule.json",
      "trials.sqlite",
    ]);
  },
);

/** The log that earlier versions wrote of a search, made of what is recorded. */
async function oldLog(
  place: string,
): Promise<{ readonly head: string; readonly trials: readonly Trial[] }> {
  const path = `${place}/out/trials.sqlite`;
  const [{ identity: { questions } }] = await listed(place);
  const key = (await evaluationKeys(path)).find((key) =>
    key.questions === questions
  )!;
  const store = await openStore(path, { program: "test" });
  const { samples } = (await store.evaluation(key))!;
  await store.close();
  const head = {
    model: "model",
    criterion: { kind: "loss", epsilon: 0.01 },
    firstLayer: 1,
    ranking: "instruction",
    positions: "original",
    samples: 24,
    fullLoss: samples.reduce((sum, { loss }) => sum + loss, 0),
  };
  return {
    head: JSON.stringify(head),
    trials: await trialsIn<Trial>(`${place}/out`, "G-Search"),
  };
}

testIn(
  "search.ts takes over the log of an earlier version once",
  async (place) => {
    await succeed(place, [...ARGS]);
    const { head, trials } = await oldLog(place);
    const lines = trials.map((trial) => JSON.stringify(trial));
    await Deno.mkdir(`${place}/new`);
    const log = (text: string) =>
      Deno.writeTextFile(`${place}/new/search.jsonl`, text);
    const start = () => run(place, [...ARGS, "--out=new"]);

    // What no search would have recorded is not taken over.
    for (
      const [changed, says] of [
        [
          { ...trials[1], meanDrop: "x" },
          'Cannot resume as meanDrop of recorded trial 1 must be a finite number: current value is "x"',
        ],
        [
          { ...trials[1], samplesUsed: -7 },
          "Cannot resume as samplesUsed of recorded trial 1 must be an integer of at least 1: current value is -7",
        ],
      ] as const
    ) {
      await log([head, lines[0], JSON.stringify(changed), ""].join("\n"));
      const { code, err } = await start();
      assertEquals({ code, err }, {
        code: 2,
        err:
          `Cannot take over new/search.jsonl: ${says}; remove it to begin anew\n`,
      });
    }
    // The last line was cut off.
    await log([head, ...lines.slice(0, 3), lines[3].slice(0, 9)].join("\n"));
    const { code, out } = await start();
    assertEquals(code, 0);
    assert(out.includes("goes on after trial 3 in new/search.jsonl"), out);
    assertEquals(
      (await trialsIn<Trial>(`${place}/new`, "G-Search")).slice(0, 3),
      trials.slice(0, 3),
    );
    assertEquals(
      await read(place, "new/schedule.json"),
      await read(place, "out/schedule.json"),
    );
    const again = await succeed(place, [...ARGS, "--out=new"]);
    assert(again.includes(`after trial ${trials.length} in new/trials.sqlite`));
  },
);

testIn(
  "search.ts leaves a log of another search alone",
  async (place) => {
    await Deno.mkdir(`${place}/out`);
    const text = '{"model":"other"}\n{"layer":1}\n';
    await Deno.writeTextFile(`${place}/out/search.jsonl`, text);
    const out = await succeed(place, [...ARGS]);
    assertEquals(out.includes("goes on"), false);
    assertEquals(await read(place, "out/search.jsonl"), text);
  },
);

testIn(
  "search.ts is interrupted while it waits for another",
  async (place) => {
    await writeQuestions(`${place}/data`, "many.jsonl", 300, 3);
    const args = [
      ...["--model=model", "--device=cpu", "--calibration=data/many.jsonl"],
      ...["--heldout=data/heldout.jsonl", "--criterion=loss", "--epsilon=100"],
      "--first-layer=1",
    ];
    // Stopped, it holds the study for as long as the test wants.
    const first = command(place, args).spawn();
    while ((await trialsIn(`${place}/out`, "G-Search")).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    first.kill("SIGSTOP");
    const second = command(place, args).spawn();
    const reader = second.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    for (let told = ""; !told.includes("waits for");) {
      const { done, value } = await reader.read();
      assert(!done, told);
      told += value;
    }
    second.kill("SIGINT");
    await reader.cancel();
    assertEquals((await second.status).code, 130);
    await second.stderr.cancel();
    first.kill("SIGKILL");
    await first.output();
  },
  Deno.build.os === "windows",
);

testIn(
  "search.ts notices a full disk before it runs the model",
  async (place) => {
    const [deno, ...args] = [
      ...[Deno.execPath(), "run", "-A"],
      ...[new URL("../../search.ts", import.meta.url).pathname, ...ARGS],
    ];
    const { code, out, err } = finished(
      await new Deno.Command("sh", {
        args: [
          ...["-c", `trap '' XFSZ; ulimit -f 40; exec "$@"`, "sh"],
          ...[deno, ...args],
        ],
        cwd: place,
      }).output(),
    );
    assertEquals({ code, out, err }, {
      code: 2,
      out: "",
      err:
        "Cannot open out/trials.sqlite as the disk refuses to read or write\n",
    });
  },
  Deno.build.os !== "linux",
);
