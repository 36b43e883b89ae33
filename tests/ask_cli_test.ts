// The program ask.ts as a user meets it: a process, with models and pictures
// around it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { USAGE } from "../cli/ask_options.ts";
import { makeQuestions } from "../eval/mod.ts";
import { program, testsIn } from "./_cli.ts";
import { writeFamilyModel } from "./_family_directory.ts";
import { noise } from "./_random.ts";
import { writePng, writeQuestions, writeSmallModel } from "./_small_model.ts";

const { command, run, succeed } = program("ask.ts");

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

/** What `--json` printed, line by line. */
function parseLines(out: string): {
  readonly answer: string;
  readonly tokens: number;
  readonly visionTokens: number;
  readonly keep: readonly number[];
  readonly kvCacheBytes: number;
  readonly shown?: { readonly layer: number; readonly kept: number[] };
}[] {
  return out.trimEnd().split("\n").map((line) => JSON.parse(line));
}

testIn(
  "ask.ts answers about a scene with the embedded model, and needs no more permissions than --help names",
  async (place) => {
    const permissions = USAGE.match(/--allow-.*/)![0].split(" ");
    let right = 0;
    const scenes = makeQuestions("heldout", 0, 12);
    for (const [i, { questions }] of scenes.entries()) {
      const out = await succeed(place, [`--scene=${i}`, "--json"], {
        permissions,
        // As a user would write them.
        input: questions.map(({ words }) =>
          `W${words.join(" ").slice(1)}`.replace(" ?", "?")
        ).join("\n\n"),
      });
      const answers = parseLines(out);
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
      /\n\nlayer {2}0 {2}144 {2}100 % {2}█{48}\n(.*\n){7}vision [\d.]+ ms, prefill [\d.]+ ms, decode [\d.]+ ms per token, KV cache 1\.\d\d MB\n\n$/,
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
    const args = [...SMALL, "--json", "--max-tokens=3", "word1 ?"];
    const [full] = parseLines(await succeed(place, args));
    const [pruned] = parseLines(
      await succeed(place, [...args, "--schedule=out/schedule.json"]),
    );
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
  const [{ shown }] = parseLines(
    await succeed(place, [...args, "--show", "--json"]),
  );
  const { layer, kept } = shown!;
  assertEquals(layer, 2);
  assertEquals(kept.length, 5);
  const cells = Array.from(
    { length: 16 },
    (_, token) => kept.includes(token) ? "#" : ".",
  );
  assertEquals(drawing.replaceAll(/\s/g, ""), cells.join(""));
  assertEquals(drawing.split("\n").map((line) => line.length), [7, 7, 7, 7]);

  const first = await succeed(place, [...args, "--show-layer=0"]);
  assert(first.includes("Layer 0 sees 16 of 16 vision tokens:\n# # # #\n"));
  // Escape codes are for terminals.
  assertEquals(out.includes("\x1b"), false);
});

testIn("ask.ts ranks and numbers tokens as it is told", async (place) => {
  const seen = async (...args: string[]): Promise<string> => {
    const out = await succeed(place, [
      ...[...SMALL, "--schedule=s.json", "--json", "--show", "word1 ?"],
      ...args,
    ]);
    return String(parseLines(out)[0].shown!.kept);
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
    parseLines(
      await succeed(place, [
        ...[...SMALL, "--json", "--max-tokens=6", "word1 ?"],
        ...args,
      ]),
    )[0].answer;
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
      const out = await succeed(place, [
        ...[...SMALL, "--schedule=s.json", "--json", "--show-layer=3"],
        ...args,
      ], { input: "word20 word21 word22 ?\nword1 word7 ?" });
      return parseLines(out).map(({ shown }) => String(shown!.kept));
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
      ...{ width: 44, height: 22 },
      data: data.slice(0, 44 * 22 * 3),
    });
    // Made for one tile of four tokens; here are two and a thumbnail.
    await writeSchedule(place, "s.json", [4, 2, 1]);
    const args = [
      ...["--model=internvl2", "--image=wide.png", "--schedule=s.json"],
      ...["--max-tokens=5", "--show", "what is it?"],
    ];
    const [answer] = parseLines(await succeed(place, [...args, "--json"]));
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

testIn("ask.ts explains itself", async (place) => {
  assertEquals(await succeed(place, ["--help"]), USAGE + "\n");
});

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
    const child = command(place, args, ["-A"], "piped").spawn();
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
      'Cannot encode "\\nword99 ? " as model/tokenizer.json has no id for "word99" and no unknown-word token',
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
      [...SMALL, "--show-layer=4", "word1 ?"],
      "Cannot use --show-layer as it must be below 4, the model's decoder layers: current value is 4",
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
