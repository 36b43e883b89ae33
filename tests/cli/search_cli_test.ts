// The program search.ts as a user meets it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { USAGE } from "../../cli/usage.ts";
import config from "../../deno.json" with { type: "json" };
import type { Trial } from "../../search/mod.ts";
import {
  command,
  cutTrials,
  DATA,
  exists,
  interrupt,
  read,
  run,
  succeed,
  succeedJson,
  testIn,
  trialsIn,
  writeGeneration,
} from "../_search_cli.ts";
import { assertFits, readUntil } from "../_cli.ts";
import { writeQuestions, writeSmallModel } from "../_small_model.ts";

/** What `--json` says. */
interface SearchJson {
  readonly model: string;
  readonly device: string;
  readonly seed: number;
  readonly full: { readonly accuracy: number; readonly samples: number };
  readonly reduced: { readonly accuracy: number; readonly samples: number };
  readonly keep: readonly number[];
  readonly meanKeepingRate: number;
  readonly flopsRatio: number;
  readonly trials: number;
  readonly warnings: readonly string[];
}

testIn(
  "search.ts finds a schedule with the permissions that --help names, and tells it to programs",
  async (place, t) => {
    const permissions = USAGE.match(/--allow-.*/)![0].split(" ");
    const args = [
      ...["--model=model", ...DATA, "--seed=3"],
      ...["--criterion=loss", "--first-layer=1"],
    ];
    const { result, told } = await succeedJson<SearchJson>(place, args, {
      permissions,
    });
    assertEquals(Object.keys(result), [
      "model",
      "device",
      "seed",
      "full",
      "reduced",
      "keep",
      "meanKeepingRate",
      "flopsRatio",
      "timeRatio",
      "trials",
      "seconds",
      "warnings",
    ]);
    assertEquals(Object.keys(result.full), ["accuracy", "samples"]);
    assertEquals(Object.keys(result.reduced), [
      "accuracy",
      "samples",
      "difference",
      "interval",
    ]);
    assertEquals(
      [result.model, result.device, result.seed],
      ["model", "WebAssembly SIMD", 3],
    );
    assertEquals([result.full.samples, result.reduced.samples], [24, 24]);
    assert(result.flopsRatio > 1, "nothing was reduced");
    const mean = result.keep.reduce((a, b) => a + b) / 4 / 16;
    assertEquals(result.meanKeepingRate, mean);

    const schedule = JSON.parse(await read(place, "out/schedule.json"));
    assertEquals(schedule.format, "tokensieve schedule 1");
    assertEquals(schedule.keep, result.keep);
    assertEquals(schedule.search.calibration, {
      file: "data/calibration.jsonl",
    });
    assertEquals(schedule.search.samples, 24);
    const trials = await trialsIn<Trial>(`${place}/out`, "G-Search");
    assertEquals(trials.length, result.trials);
    assertEquals(
      trials.findLast(({ verdict }) => verdict === "pass")?.schedule,
      result.keep,
    );

    for (const text of ["ranked at random", "FastV", "out/schedule.json"]) {
      assert(told.includes(text), text);
    }
    assert(trials.length > 4, "too easy to show how a search goes on");
    // Status lines are for terminals.
    assertEquals(told.includes("\x1b"), false);
    // Nothing but results is left.
    const left = [...Deno.readDirSync(`${place}/out`)].map(({ name }) => name);
    assertEquals(left.sort(), ["schedule.json", "trials.sqlite"]);

    await t.step("and the same with the same seed again", async () => {
      await succeed(place, [...args, "--out=again"]);
      assertEquals(
        await read(place, "again/schedule.json"),
        await read(place, "out/schedule.json"),
      );
    });

    await t.step(
      "and after an interruption, with no trial repeated",
      async () => {
        for (const cut of [3, trials.length]) {
          const before = await trialsIn<Trial>(`${place}/again`, "G-Search");
          if (cut < before.length) await cutTrials(`${place}/again`, 1, cut);
          const out = await succeed(place, [...args, "--out=again"]);
          assert(
            out.includes(`goes on after trial ${cut} in again/trials.sqlite`),
            out,
          );
          assertEquals(
            await read(place, "again/schedule.json"),
            await read(place, "out/schedule.json"),
          );
          // Durations and all: what was recorded was not run again.
          const after = await trialsIn<Trial>(`${place}/again`, "G-Search");
          assertEquals(after.slice(0, cut), before.slice(0, cut));
          assertEquals(after.length, before.length);
        }
      },
    );
  },
);

testIn(
  "search.ts ends with code 130 on Ctrl-C and goes on when started again",
  async (place) => {
    // With this much tolerance all trials pass, so all see all samples.
    await writeQuestions(`${place}/data`, "many.jsonl", 300, 3);
    const args = [
      "--model=model",
      "--calibration=data/many.jsonl",
      "--heldout=data/heldout.jsonl",
      "--criterion=loss",
      "--epsilon=100",
      "--first-layer=1",
    ];
    const { code, out, err } = await interrupt(place, args, "G-Search");
    assertEquals(
      { code, err },
      { code: 130, err: "Interrupted: the same command goes on from here\n" },
    );
    const { length: trials } = await trialsIn(`${place}/out`, "G-Search");
    assert(trials < 5, "too late to interrupt");
    assert(out.includes(`stopped after trial ${trials}; best so far`), out);
    assertEquals(await exists(`${place}/out/schedule.json`), false);

    const resumed = await succeed(place, args);
    assert(resumed.includes(`goes on after trial ${trials} in`), resumed);
    const { keep } = JSON.parse(await read(place, "out/schedule.json"));
    assertEquals(keep, [16, 0, 0, 0]);
  },
  Deno.build.os === "windows",
);

testIn(
  "search.ts dies of Ctrl-C at once where there is no trial to keep yet",
  async (place) => {
    // An image that is never there in full.
    const pipe = `${place}/data/image3.png`;
    await Deno.remove(pipe);
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    const child = command(place, ["--model=model", ...DATA]).spawn();
    // Opens when the program reads it.
    const writer = await Deno.open(pipe, { write: true });
    child.kill("SIGINT");
    writer.close();
    const { code, signal } = await child.output();
    assertEquals({ code, signal }, { code: 130, signal: "SIGINT" });
  },
  Deno.build.os === "windows",
);

testIn(
  "search.ts splits the file of a data set, and judges generated answers",
  async (place) => {
    await writeQuestions(`${place}/data`, "many.jsonl", 40, 3);
    await writeGeneration(place, { eos_token_id: 2 });
    const args = ["--model=model", "--criterion=loss", "--epsilon=0.5"];
    const out = await succeed(place, [
      ...args,
      ...["--data=data/many.jsonl", "--calibration=10", "--device=reference"],
    ]);
    assertMatch(out, /^calibration +10 questions about 1 images$/m);
    assertMatch(out, /^held-out +30 questions about 3 images$/m);
    const [, table] = out.split(
      "The same runs by the answers that they generate:",
    );
    assertMatch(table, /^ +same words +accuracy$/m);
    assertMatch(table, /^G-Search +\d+\.\d % +\d+\.\d %$/m);
    const { search } = JSON.parse(await read(place, "out/schedule.json"));
    assertEquals(search.data.files, ["data/many.jsonl"]);

    const silent = await succeed(place, [
      ...args,
      ...["--data=data/many.jsonl", "--metric=none", "--calibration=10"],
    ]);
    assertEquals(silent.includes("same words"), false);
  },
);

testIn(
  "search.ts warns where a result is judged on images that were searched with",
  async (place) => {
    await writeQuestions(`${place}/data`, "same.jsonl", 3, 3);
    const args = [
      ...["--model=model", "--criterion=loss", "--epsilon=9", ...DATA],
      "--heldout=./data/same.jsonl",
    ];
    const warning =
      "the result is judged on images that were searched with, as calibration and held-out questions have 3 in common";
    const { code, err } = await run(place, args);
    assertEquals({ code, err }, { code: 0, err: `Warning: ${warning}\n` });
    const { result } = await succeedJson<SearchJson>(place, args);
    assertEquals(result.warnings, [warning]);
  },
);

testIn(
  "search.ts runs a model of two layers, which FastV cannot reduce",
  async (place) => {
    await writeSmallModel(`${place}/two`, 2);
    const out = await succeed(place, [
      "--model=two",
      "--device=reference",
      "--criterion=loss",
      ...DATA,
    ]);
    assertMatch(out, /^device +reference /);
    assert(out.includes("ranked at random"));
    assertEquals(out.includes("FastV"), false);
  },
);

testIn(
  "search.ts explains itself, in whatever width, and tells its version",
  async (place) => {
    assertEquals(await succeed(place, ["--help"]), USAGE + "\n");
    assertEquals(await succeed(place, ["-h", "--json"]), USAGE + "\n");
    const narrow = await succeed(place, ["-h"], { env: { COLUMNS: "60" } });
    assertFits(narrow, 60);
    assertEquals(narrow.match(/\S+/g), USAGE.match(/\S+/g));
    for (const args of [["--version"], ["--seed=x", "--version"]]) {
      const version = `tokensieve ${config.version}\n`;
      assertEquals(await succeed(place, args), version);
      // Nothing is asked for, or read.
      assertEquals(await succeed(place, args, { permissions: [] }), version);
    }
  },
);

testIn(
  "search.ts prints nothing that is wider than the terminal",
  async (place) => {
    const args = [
      ...["--model=model", ...DATA, "--criterion=loss", "--scenario=both"],
      ...["--budget=0.3", "--evaluations=4", "--first-layer=1"],
    ];
    const lines: Record<string, string[]> = {};
    for (const COLUMNS of ["60", "80", "200"]) {
      const out = await succeed(place, args, { env: { COLUMNS } });
      assertFits(out, Number(COLUMNS));
      lines[COLUMNS] = out.split("\n");
      assert(out.includes("Written: out/schedule.json"), out);
    }
    const widest = (columns: string) =>
      Math.max(...lines[columns].map((line) => line.length));
    // What room there is, is used.
    assert(widest("60") > 55 && widest("80") > 75 && widest("200") > 100);
    const head = /^ +accuracy +difference +keeping +FLOPs +KV cache +time$/;
    const heads = (columns: string) =>
      lines[columns].filter((line) => head.test(line)).length;
    assertEquals(["60", "80", "200"].map(heads), [0, 1, 1]);
    // Nobody says: as in a file.
    assertFits(await succeed(place, args, { env: { COLUMNS: "0" } }), 80);
  },
);

testIn(
  "search.ts ends with code 0 when its reader goes, and goes on when started again",
  async (place) => {
    await writeQuestions(`${place}/data`, "many.jsonl", 300, 3);
    const args = [
      "--model=model",
      "--calibration=data/many.jsonl",
      "--heldout=data/heldout.jsonl",
      "--criterion=loss",
      "--epsilon=100",
      "--first-layer=1",
    ];
    const child = command(place, args).spawn();
    const { code, err } = await readUntil(child, "device");
    assertEquals({ code, err }, { code: 0, err: "" });
    assertEquals(await exists(`${place}/out/schedule.json`), false);
    const left = [...Deno.readDirSync(`${place}/out`)].map(({ name }) => name);
    assertEquals(left.filter((name) => name !== "trials.sqlite"), []);
    await succeed(place, args);
    const { keep } = JSON.parse(await read(place, "out/schedule.json"));
    assertEquals(keep, [16, 0, 0, 0]);
  },
);

testIn(
  "search.ts gives its result to programs though nobody reads standard error",
  async (place) => {
    const args = ["--model=model", "--criterion=loss", ...DATA, "--json"];
    const child = command(place, args).spawn();
    await child.stderr.cancel();
    const out = await new Response(child.stdout).text();
    const { code } = await child.status;
    assertEquals(code, 0);
    assertEquals(JSON.parse(out).model, "model");
  },
);

testIn(
  "search.ts names standard output where that is full, and ends at once",
  async (place) => {
    for (
      const args of [["--model=model", ...DATA, "--criterion=loss"], ["-h"]]
    ) {
      const { code, err } = await run(place, args, { shell: ">/dev/full" });
      assertEquals({ code, err }, {
        code: 2,
        err:
          "Cannot write to standard output as No space left on device (os error 28)\n",
      });
      assertEquals(await exists(`${place}/out/schedule.json`), false);
    }
  },
  Deno.build.os !== "linux",
);

testIn(
  "search.ts warns where the embedded model lacks words of questions, and never saw such images",
  async (place) => {
    await writeQuestions(`${place}/data`, "unused.jsonl", 4, 1);
    await Deno.writeTextFile(
      `${place}/data/colors.jsonl`,
      ["what color is the circle ?", "how many cats ?", "how many shapes ?"]
        .concat("what color is the ring ?").map((question, i) =>
          JSON.stringify({ image: `image${i}.png`, question, answer: "red" })
        ).join("\n"),
    );
    const { code, err } = await run(place, [
      ...["--criterion=loss", "--epsilon=99", "--metric=none"],
      ...["--first-layer=7", "--data=data/colors.jsonl"],
    ]);
    assertEquals({ code, err }, {
      code: 0,
      err:
        "Warning: the vocabulary of models/tiny lacks words of 1 of 4 questions, so that the result may mean nothing\n" +
        "Warning: models/tiny was trained on scenes of the embedded task alone, and 4 of 4 images are none, so that the result may mean nothing\n",
    });
  },
);

testIn(
  "search.ts says in one sentence what it cannot do, and leaves no files",
  async (place) => {
    await Deno.writeTextFile(`${place}/file`, "");
    await writeSmallModel(`${place}/one`, 1);
    await Deno.writeTextFile(`${place}/data/image.png`, "no image");
    const ask = async (file: string, ...lines: string[]): Promise<void> =>
      await Deno.writeTextFile(`${place}/data/${file}`, lines.join("\n"));
    const question = (image: string, text: string, answer: string): string =>
      JSON.stringify({ image, question: text, answer });
    await ask("unreadable.jsonl", question("image.png", "word1 ?", "word2"));
    await ask("gone.jsonl", question("gone.png", "word1 ?", "word2"));
    await ask(
      "many.jsonl",
      ...["image0.png", "image1.png"].map((image) =>
        question(image, "word1 ?", "word2 word3")
      ),
    );
    await ask("unknown.jsonl", question("image0.png", "word99 ?", "word2"));
    await ask(
      "malformed.jsonl",
      question("image0.png", "word1 ?", "word2"),
      '{"image": "image0.png"',
    );

    const small = ["--model=model", "--criterion=loss", ...DATA];
    const cases: [string[], RegExp][] = [
      [
        ["--fast"],
        /^Cannot use --fast as there is no such option: see --help$/,
      ],
      [
        ["--epsilon=-1"],
        /^Cannot use --epsilon as it must be a number >= 0: current value is "-1"$/,
      ],
      [
        ["--model=gone", ...DATA],
        /^Cannot read gone\/config.json as there is no such file$/,
      ],
      [
        ["--model=model"],
        /^Cannot ask model the questions of the embedded task as its images must have 96 pixels a side: current value is 16; use --data FILE$/,
      ],
      [
        [...small, "--heldout=data/gone.jsonl"],
        /^Cannot read data\/gone.png as there is no such file$/,
      ],
      [
        [...small, "--heldout=data/unreadable.jsonl"],
        /^Cannot decode data\/image.png as it must be a JPEG, PNG, WebP or GIF image: its first bytes are 6e6f20696d616765$/,
      ],
      [
        [...small, "--calibration=data/malformed.jsonl"],
        /^Cannot read data\/malformed.jsonl as line 2 is wrong: it is not JSON: .*$/,
      ],
      [
        [...small, "--data=data/many.jsonl"],
        /^Cannot take questions from data\/calibration.jsonl as --data names the file of all$/,
      ],
      [
        [...small, "--calibration=data/unknown.jsonl"],
        /^Cannot encode "word99" as model\/tokenizer.json has no id for it and no unknown-word token$/,
      ],
      [
        [...small, "--criterion=bound"],
        /^Cannot search with epsilon 0.5 as 24 calibration samples can show no drop below 10.58 points: give 528 samples or a larger epsilon$/,
      ],
      [
        [...small, "--first-layer=4"],
        /^Cannot use --first-layer as it must be below 4, the model's decoder layers: current value is 4$/,
      ],
      [
        ["--model=one", ...DATA],
        /^Cannot use --first-layer as it must be below 1, /,
      ],
      [
        [...small, "--out=file/out"],
        /^Cannot write to file\/out as .*$/,
      ],
    ];
    const before = [...Deno.readDirSync(place)].map(({ name }) => name);
    for (const [args, message] of cases) {
      const { code, out, err } = await run(place, args);
      assertEquals({ code, out }, { code: 2, out: "" }, args.join(" "));
      assertMatch(err.slice(0, -1), message);
      assertEquals(err.split("\n").length, 2, err);
    }
    const after = [...Deno.readDirSync(place)].map(({ name }) => name);
    assertEquals(after.sort(), before.sort());
  },
);
