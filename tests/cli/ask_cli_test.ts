// The program ask.ts as a user meets it: a process, with models and pictures
// around it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import sharp from "sharp";
import { USAGE } from "../../cli/ask_options.ts";
import config from "../../deno.json" with { type: "json" };
import {
  drawScene,
  KINDS,
  makeQuestions,
  sceneRandom,
} from "../../eval/mod.ts";
import { decodeImage } from "../../io/mod.ts";
import { assertFits, program, readUntil, testsIn } from "../_cli.ts";
import { writeFamilyModel } from "../_family_directory.ts";
import { noise } from "../_random.ts";
import { writePng, writeQuestions, writeSmallModel } from "../_small_model.ts";

const { command, run, succeed, succeedJson } = program("ask.ts");

/** A folder with a model and a picture of another size than the model's. */
const testIn = testsIn(async () => {
  const place = await Deno.makeTempDir();
  await writeSmallModel(`${place}/model`);
  await writePng(`${place}/cat.png`, noise(1, 20));
  return place;
});

const SMALL = ["--model=model", "--image=cat.png"];

/** Writes a schedule for the small model, or as given. */
async function writeSchedule(
  place: string,
  file: string,
  keep: readonly number[] = [16, 12, 5, 5],
  fields: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const format = "tokensieve schedule 1";
  await Deno.writeTextFile(
    `${place}/${file}`,
    JSON.stringify({ format, visionTokens: keep[0], keep, ...fields }),
  );
}

/** What `--json` says of an answer. */
interface AnswerJson {
  readonly question: string;
  readonly answer: string;
  readonly tokens: number;
  readonly visionTokens: number;
  readonly keep: readonly number[];
  readonly kvCacheBytes: number;
  readonly shown?: { readonly layer: number; readonly kept: number[] };
  readonly warnings: readonly string[];
}

/** What `--json` prints, line by line. */
async function answersOf(
  ...given: Parameters<typeof succeedJson>
): Promise<AnswerJson[]> {
  return (await succeedJson(...given)).values as AnswerJson[];
}

testIn(
  "ask.ts answers about a scene with the embedded model, and needs no more permissions than --help names",
  async (place) => {
    const permissions = USAGE.match(/--allow-.*/)![0].split(" ");
    let right = 0;
    const scenes = makeQuestions("heldout", 0, 12);
    for (const [i, { questions }] of scenes.entries()) {
      const answers = await answersOf(place, [`--scene=${i}`], {
        permissions,
        // As a user would write them.
        input: questions.map(({ words }) =>
          `W${words.join(" ").slice(1)}`.replace(" ?", "?")
        ).join("\n\n"),
      });
      assertEquals(answers.length, questions.length);
      for (const [q, { answer }] of answers.entries()) {
        if (answer === questions[q].answer) right++;
      }
    }
    assert(right >= 10, `${right} of 12`);
  },
);

testIn(
  "ask.ts says the same with a schedule that keeps everything, and tells what it took",
  async (place) => {
    await writeSchedule(place, "all.json", Array(8).fill(144));
    const question = ["What", "shape", "is", "red?"];
    const told = await succeed(place, question);
    const [answer] = told.split("\n");
    assertMatch(answer, /^[a-z]+$/);
    assertMatch(
      told,
      /\n\nlayer {2}0 {2}144 {2}100 % {2}█{58}\n(.*\n){7}scene 0 of the embedded task; to look at it, give --save-scene FILE\nvision [\d.]+ ms, prefill [\d.]+ ms, decode [\d.]+ ms per token, KV cache 1\.\d\d MB\n\n$/,
    );
    const same = await succeed(place, ["--schedule=all.json", ...question]);
    const untimed = (text: string) => text.replaceAll(/[\d.]+ ms/g, "ms");
    assertEquals(untimed(same), untimed(told));
  },
);

testIn(
  "ask.ts obeys a schedule that search.ts found",
  async (place) => {
    await writeQuestions(`${place}/data`, "c.jsonl", 24, 1);
    await writeQuestions(`${place}/data`, "h.jsonl", 24, 1, "judged");
    await program("search.ts").succeed(place, [
      ...["--model=model", "--calibration=data/c.jsonl"],
      ...["--heldout=data/h.jsonl", "--criterion=loss", "--first-layer=1"],
    ]);
    const { keep } = JSON.parse(
      await Deno.readTextFile(`${place}/out/schedule.json`),
    );
    const args = [...SMALL, "--max-tokens=3", "word1 ?"];
    const [full] = await answersOf(place, args);
    const [pruned] = await answersOf(place, [
      ...args,
      "--schedule=out/schedule.json",
    ]);
    assertEquals(full.keep, [16, 16, 16, 16]);
    assertEquals(pruned.keep, keep);
    assert(pruned.kvCacheBytes < full.kvCacheBytes);
    assertEquals(full.tokens, 3);
  },
);

testIn("ask.ts draws the patches that a layer keeps", async (place) => {
  await writeSchedule(place, "s.json");
  const args = [...SMALL, "--schedule=s.json", "word1 ?"];
  const out = await succeed(place, [...args, "--show"]);
  const drawing = /Layer 2 sees 5 of 16 vision tokens:\n([#. \n]+)\n\n$/
    .exec(out)![1];
  const [{ shown }] = await answersOf(place, [...args, "--show"]);
  const { layer, kept } = shown!;
  assertEquals(layer, 2);
  assertEquals(kept.length, 5);
  const cells = Array.from(
    { length: 16 },
    (_, token) => kept.includes(token) ? "#" : ".",
  );
  assertEquals(drawing.replaceAll(/\s/g, ""), cells.join(""));
  assertEquals(drawing.split("\n").map((line) => line.length), [7, 7, 7, 7]);

  const first = await succeed(place, [...args, "--show=0"]);
  assert(first.includes("Layer 0 sees 16 of 16 vision tokens:\n# # # #\n"));
  // Escape codes are for terminals.
  assertEquals(out.includes("\x1b"), false);
});

testIn("ask.ts ranks and numbers tokens as it is told", async (place) => {
  const seen = async (...args: string[]): Promise<string> => {
    const [{ shown }] = await answersOf(place, [
      ...[...SMALL, "--schedule=s.json", "--show", "word1 ?"],
      ...args,
    ]);
    return String(shown!.kept);
  };
  await writeSchedule(place, "s.json", [16, 12, 5, 5], { ranking: "uniform" });
  const uniform = await seen();
  assertEquals(await seen("--rank=uniform"), uniform);
  const others = ["instruction", "last", "random"]
    .map((rank) => seen(`--rank=${rank}`));
  for (const other of await Promise.all(others)) assert(other !== uniform);
});

testIn("ask.ts samples by its seed", async (place) => {
  const say = async (...args: string[]): Promise<string> =>
    (await answersOf(place, [
      ...[...SMALL, "--max-tokens=6", "word1 ?"],
      ...args,
    ]))[0].answer;
  const hot = ["--temperature=3", "--seed=1"];
  const greedy = await say();
  const [one, again, two, narrow] = await Promise.all([
    say(...hot),
    say(...hot),
    say("--temperature=3", "--seed=2"),
    say(...hot, "--top-p=0.0001"),
  ]);
  assertEquals(one, again);
  assert(one !== two && one !== greedy);
  assertEquals(narrow, greedy);
});

testIn(
  "ask.ts goes on from what the first question kept with --chat",
  async (place) => {
    await writeSchedule(place, "s.json", [16, 12, 5, 2]);
    const kept = async (...args: string[]): Promise<string[]> => {
      const answers = await answersOf(place, [
        ...[...SMALL, "--schedule=s.json", "--show=3"],
        ...args,
      ], { input: "word20 word21 word22 ?\nword1 word7 ?" });
      return answers.map(({ shown }) => String(shown!.kept));
    };
    const [first, second, third] = await kept("--chat", "word1 word7 ?");
    assertEquals([second, third], [first, first]);
    const [other, same] = await kept();
    assert(other !== first);
    assertEquals(same, first);
  },
);

testIn(
  "ask.ts runs InternVL2 on a picture of several tiles",
  async (place) => {
    await writeFamilyModel(`${place}/internvl2`, "internvl2_qwen2_a");
    const { data } = noise(2, 44);
    await writePng(`${place}/wide.png`, {
      width: 44,
      height: 22,
      data: data.slice(0, 44 * 22 * 3),
    });
    // Made for one tile of four tokens; here are two and a thumbnail.
    await writeSchedule(place, "s.json", [4, 2, 1]);
    const args = [
      ...["--model=internvl2", "--image=wide.png", "--schedule=s.json"],
      ...["--max-tokens=5", "--show", "what is it?"],
    ];
    const [answer] = await answersOf(place, args);
    assertEquals(answer.visionTokens, 12);
    assertEquals(answer.keep, [12, 6, 3]);
    assert(answer.tokens > 0);
    const { kept } = answer.shown!;
    assertEquals(kept.length, 3);

    const out = await succeed(place, args);
    assert(out.startsWith(answer.answer), out);
    // Two tiles of 2 × 2 side by side, and the thumbnail.
    const mark = (token: number) => kept.includes(token) ? "#" : ".";
    const row = (...tokens: number[]) => tokens.map(mark).join(" ");
    const rows = [
      ...[row(0, 1, 4, 5), row(2, 3, 6, 7), ""],
      ...[row(8, 9), row(10, 11)],
    ];
    assert(out.includes(`vision tokens:\n${rows.join("\n")}\n`), out);
  },
);

testIn(
  "ask.ts explains itself, in whatever width, and tells its version",
  async (place) => {
    assertEquals(await succeed(place, ["--help"]), USAGE + "\n");
    assertEquals(await succeed(place, ["why?", "-h"]), USAGE + "\n");
    const narrow = await succeed(place, ["-h"], { env: { COLUMNS: "60" } });
    assertFits(narrow, 60);
    assertEquals(narrow.match(/\S+/g), USAGE.match(/\S+/g));
    assertEquals(
      await succeed(place, ["--version", "--scene=x"], { permissions: [] }),
      `tokensieve ${config.version}\n`,
    );
  },
);

testIn(
  "ask.ts tells people what it tells programs, elsewhere",
  async (place) => {
    const question = "How many red shapes?";
    const { values, told } = await succeedJson(place, [question]);
    const [{ answer, warnings }] = values as AnswerJson[];
    assertEquals(values.length, 1);
    assertEquals(warnings, []);
    assert(told.startsWith(`${answer}\n\nlayer  0  144`), told);
    const alone = await succeed(place, [question]);
    const untimed = (text: string) => text.replaceAll(/[\d.]+ ms/g, "ms");
    assertEquals(untimed(told), untimed(alone));
  },
);

testIn(
  "ask.ts prints nothing that is wider than the terminal",
  async (place) => {
    await writeSchedule(place, "s.json", Array(8).fill(144));
    const args = ["--schedule=s.json", "--show", "how many shapes ?"];
    for (const columns of [60, 80, 200]) {
      const out = await succeed(place, args, {
        env: { COLUMNS: `${columns}`, NO_COLOR: "1" },
      });
      assertFits(out, columns);
      const [bar] = out.match(/^layer {2}0.*$/m)!;
      assertEquals(bar.length, Math.min(columns, 122));
    }
  },
);

testIn("ask.ts has colours where they are asked for", async (place) => {
  const args = ["--show", "how many shapes ?"];
  const colors = async (env: Record<string, string>) =>
    (await succeed(place, args, { env })).includes("\x1b[48;2;");
  assertEquals(await colors({ FORCE_COLOR: "1", NO_COLOR: "" }), true);
  assertEquals(await colors({ FORCE_COLOR: "1", NO_COLOR: "1" }), false);
  assertEquals(await colors({ FORCE_COLOR: "", NO_COLOR: "" }), false);
});

testIn(
  "ask.ts ends with code 0 when its reader goes, though there are more questions",
  async (place) => {
    const args = ["--scene=1", "--device=cpu"];
    const child = command(place, args, { stdin: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    const line = new TextEncoder().encode("how many shapes ?\n");
    await writer.write(line);
    // Goes on to ask until the program is gone.
    const asking = (async () => {
      for (;;) {
        await writer.write(line);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })().catch(() => {});
    const { code, err } = await readUntil(child, "KV cache");
    await asking;
    assertEquals({ code, err }, { code: 0, err: "" });

    const help = await readUntil(command(place, ["--help"]).spawn(), "");
    assertEquals({ ...help, out: "" }, { code: 0, out: "", err: "" });
  },
);

testIn(
  "ask.ts goes on though nobody reads standard error",
  async (place) => {
    const start = (...args: string[]) => command(place, args).spawn();
    const child = start("--json", "what is life ?");
    await child.stderr.cancel();
    const out = await new Response(child.stdout).text();
    assertEquals((await child.status).code, 0);
    assertEquals(JSON.parse(out).warnings.length, 1);
    // What goes wrong is told by the code still.
    const wrong = start("--image=gone.png", "what ?");
    await wrong.stderr.cancel();
    assertEquals((await wrong.status).code, 2);
    await wrong.stdout.cancel();
    const closed = await run(place, ["how many shapes ?"], {
      shell: ">&- 2>&-",
    });
    assertEquals(closed, { code: 0, out: "", err: "" });
  },
  Deno.build.os === "windows",
);

testIn("ask.ts names standard output where that is full", async (place) => {
  for (
    const args of [["how many shapes ?"], ["--json", "how many ?"], ["-h"]]
  ) {
    const { code, err } = await run(place, args, { shell: ">/dev/full" });
    assertEquals(code, 2);
    assertEquals(
      err.trimEnd().split("\n").at(-1),
      "Cannot write to standard output as No space left on device (os error 28)",
    );
  }
}, Deno.build.os !== "linux");

testIn(
  "ask.ts warns of words that the embedded model never learnt",
  async (place) => {
    const question = "what is the meaning of life?";
    const warning =
      'the vocabulary of models/tiny lacks "meaning", "of", and "life", so that its answer may mean nothing';
    const { code, out, err } = await run(place, [question]);
    assertEquals(code, 0);
    assertMatch(out, /^[a-z]+\n/);
    const [first, second, ...rest] = err.split("\n");
    assertEquals([first, rest], [`Warning: ${warning}`, [""]]);
    // A question of each kind, and all of them known.
    const [, list] = second.split(/^models\/tiny can be asked, .*?: /);
    const known = list.split("? ").map((text) => text.replace(/\??$/, "?"));
    assertEquals(known.length, KINDS.length);
    const answers = await answersOf(place, [], {
      input: [question, ...known].join("\n"),
    });
    assertEquals(
      answers.map(({ question, warnings }) => ({ question, warnings })),
      [
        { question, warnings: [warning] },
        ...known.map((question) => ({ question, warnings: [] })),
      ],
    );
    // Case and punctuation are known; what can be asked is said once.
    const several = await run(place, [], {
      input: "How many RED shapes?\nwhy ?\nwhat, now ?",
    });
    assertEquals(
      several.err.split("\n").map((line) => line.replace(/asked.*/, "asked")),
      [
        'Warning: the vocabulary of models/tiny lacks "why", so that its answer may mean nothing',
        "models/tiny can be asked",
        'Warning: the vocabulary of models/tiny lacks "," and "now", so that its answer may mean nothing',
        "",
      ],
    );
  },
);

testIn(
  "ask.ts names once the settings that it does not obey",
  async (place) => {
    await Deno.writeTextFile(
      `${place}/model/generation_config.json`,
      JSON.stringify({
        "eos_token_id": 2,
        "max_new_tokens": 2,
        "no_repeat_ngram_size": 3,
      }),
    );
    const { code, err } = await run(place, SMALL, {
      input: "word1 ?\nword2 ?",
    });
    assertEquals({ code, err }, {
      code: 0,
      err:
        "Warning: answers are generated without no_repeat_ngram_size, which the files of model set\n",
    });
  },
);

testIn(
  "ask.ts warns of words that the unknown-word token of a model stands for",
  async (place) => {
    const path = `${place}/model/tokenizer.json`;
    const tokenizer = JSON.parse(await Deno.readTextFile(path));
    tokenizer.model.vocab["[UNK]"] = tokenizer.model.vocab["word1"];
    delete tokenizer.model.vocab["word1"];
    tokenizer.model["unk_token"] = "[UNK]";
    await Deno.writeTextFile(path, JSON.stringify(tokenizer));
    const [known, other] = await answersOf(
      place,
      [...SMALL, "--max-tokens=2"],
      {
        input: "word2 word3 ?\nword2 猫 word99 猫 ?",
      },
    );
    assertEquals(known.warnings, []);
    assertEquals(other.warnings, [
      'the vocabulary of model lacks "猫" and "word99", so that its answer may mean nothing',
    ]);
  },
);

testIn(
  "ask.ts writes the scene that it is asked about, and knows it for one",
  async (place) => {
    const args = [
      "--scene=5",
      "--save-scene=seen/scene.png",
      "how many shapes ?",
    ];
    const out = await succeed(place, args);
    assert(
      out.includes(
        "\nscene 5 of the embedded task, written to seen/scene.png\n",
      ),
      out,
    );
    const file = `${place}/seen/scene.png`;
    const image = await decodeImage(await Deno.readFile(file), file);
    const { pixels } = drawScene(sceneRandom("heldout", 0, 5));
    assertEquals(image, { width: 96, height: 96, data: pixels });
    assertEquals([...Deno.readDirSync(`${place}/seen`)].length, 1);
    const answer = (text: string) => text.split("\n")[0];
    const again = await succeed(place, ["--image=seen/scene.png", args[2]]);
    assertEquals(answer(again), answer(out));
    assertEquals(again.includes("scene"), false);

    // An older file is replaced, and a question is not needed.
    assertEquals(await succeed(place, ["--scene=6", args[1]]), "");
    const other = await decodeImage(await Deno.readFile(file), file);
    assertEquals(
      other.data,
      drawScene(sceneRandom("heldout", 0, 6)).pixels,
    );
    const { code, err } = await run(place, [
      "--save-scene=/proc/s.png",
      "what ?",
    ]);
    assertEquals(code, 2);
    assertMatch(err, /^Cannot write \/proc\/s\.png as .*\n$/);
  },
);

testIn(
  "ask.ts warns of pictures that are none of the embedded task",
  async (place) => {
    const { pixels } = drawScene(sceneRandom("heldout", 0, 0));
    const raw = { width: 96, height: 96, channels: 3 } as const;
    await sharp(pixels, { raw }).jpeg().toFile(`${place}/scene.jpg`);
    for (const file of ["cat.png", "scene.jpg"]) {
      const warning =
        `models/tiny was trained on scenes of the embedded task alone, and ${file} is none, so that its answers may mean nothing: give --scene N, or another model with --model DIR`;
      const args = [`--image=${file}`, "how many shapes ?"];
      const { code, err } = await run(place, args);
      assertEquals({ code, err }, { code: 0, err: `Warning: ${warning}\n` });
      const [answer] = await answersOf(place, args);
      assertEquals(answer.warnings, [warning]);
    }
    // Another model may have seen anything.
    await succeed(place, [...SMALL, "--max-tokens=1", "word1 ?"]);
  },
);

testIn(
  "ask.ts dies of Ctrl-C while it waits for a question, which shells tell as code 130",
  async (place) => {
    const args = [
      ...SMALL,
      "--device=cpu",
      "--chat",
      "--max-tokens=2",
      "word1 ?",
    ];
    const child = command(place, args, { stdin: "piped" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    for (let out = ""; !out.includes("KV cache");) {
      const { value, done } = await reader.read();
      assert(!done, out);
      out += value;
    }
    child.kill("SIGINT");
    const err = await new Response(child.stderr).text();
    const { code, signal } = await child.status;
    await reader.cancel();
    await child.stdin.close().catch(() => {});
    assertEquals(
      { code, signal, err },
      { code: 130, signal: "SIGINT", err: "" },
    );
  },
  Deno.build.os === "windows",
);

testIn("ask.ts says in one sentence what it cannot do", async (place) => {
  await Deno.writeTextFile(`${place}/image.png`, "no image");
  await Deno.writeTextFile(`${place}/broken.json`, "{");
  await writeSchedule(place, "deep.json", Array(8).fill(16));
  await writeSchedule(place, "first.json", [16, 8, 8, 8], { visionTokens: 32 });
  await writeSmallModel(`${place}/bare`);
  await Deno.remove(`${place}/bare/model.safetensors`);
  const cases: [string[], string][] = [
    [["--fast"], "Cannot use --fast as there is no such option: see --help"],
    [
      ["--model=model", "word1 ?"],
      "Cannot ask model without an image: give --image FILE",
    ],
    [
      ["--model=model", "--image=gone.png", "word1 ?"],
      "Cannot read gone.png as there is no such file",
    ],
    [
      ["--model=model", "--image=image.png", "word1 ?"],
      "Cannot decode image.png as it must be a JPEG, PNG, WebP or GIF image: its first bytes are 6e6f20696d616765",
    ],
    [
      ["--model=gone", "--image=cat.png", "word1 ?"],
      "Cannot read gone/config.json as there is no such file",
    ],
    [
      ["--model=bare", "--image=cat.png", "word1 ?"],
      "Cannot load bare as it has neither model.safetensors nor model.safetensors.index.json",
    ],
    [
      SMALL,
      "Cannot answer without a question: give it as the last argument, or one in each line of standard input",
    ],
    [
      [...SMALL, "word99 ?"],
      'Cannot encode "word99" as model/tokenizer.json has no id for it and no unknown-word token',
    ],
    [
      [...SMALL, "--schedule=broken.json", "word1 ?"],
      "Cannot read broken.json as it is not JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
    ],
    [
      [...SMALL, "--schedule=deep.json", "word1 ?"],
      "Cannot read deep.json as keep must be 4 counts, one for each layer of the model: current value is [16,16,16,16,16,16,16,16]",
    ],
    [
      [...SMALL, "--schedule=first.json", "word1 ?"],
      "Cannot read first.json as keep must begin with all 32 vision tokens, as layer 0 has no attention before it to rank by: current value is [16,8,8,8]",
    ],
    [
      [...SMALL, "--show=4", "word1 ?"],
      "Cannot use --show as it must be below 4, the model's decoder layers: current value is 4",
    ],
    [
      [...SMALL, "--show", "--positions=reindexed", "word1 ?"],
      "Cannot draw patches as only original position ids tell which were kept: give --positions original",
    ],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await run(place, args);
    assertEquals({ code, out, err }, { code: 2, out: "", err: message + "\n" });
  }
});
