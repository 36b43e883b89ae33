import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type AskOptions,
  parseAskOptions,
  USAGE,
} from "../../cli/ask_options.ts";

const DEFAULTS: AskOptions = {
  model: null,
  device: "auto",
  weights: "f32",
  picture: { scene: 0 },
  saveScene: null,
  question: null,
  chat: false,
  specialTokens: false,
  schedule: null,
  ranking: null,
  positions: null,
  maxTokens: null,
  temperature: 0,
  topP: 1,
  seed: 0,
  show: null,
  json: false,
};

Deno.test("parseAskOptions() has a default for everything", () => {
  assertEquals(parseAskOptions([]), DEFAULTS);
  assertEquals(parseAskOptions(["--help", "--scene=x"]), "help");
  assertEquals(parseAskOptions(["-h"]), "help");
  assertEquals(parseAskOptions(["why?", "--version", "--scene=x"]), "version");
});

Deno.test("parseAskOptions() takes every option", () => {
  const line =
    "--model some/model --image cat.jpg --schedule s.json --rank last --positions reindexed --device cpu --weights int4 --max-tokens 7 --temperature 0.5 --top-p 0.9 --seed 3 --chat --special-tokens --show --json What is it?";
  assertEquals(parseAskOptions(line.split(" ")), {
    model: "some/model",
    device: "cpu",
    weights: "int4",
    picture: { file: "cat.jpg" },
    saveScene: null,
    question: "What is it?",
    chat: true,
    specialTokens: true,
    schedule: "s.json",
    ranking: "last",
    positions: "reindexed",
    maxTokens: 7,
    temperature: 0.5,
    topP: 0.9,
    seed: 3,
    show: "last",
    json: true,
  });
});

Deno.test("parseAskOptions() takes a layer to show, a scene, and questions like options", () => {
  const parse = (...args: string[]) => parseAskOptions(args) as AskOptions;
  const options = parse("--show=2", "--scene", "4", "--save-scene=s.png");
  assertEquals([options.show, options.picture], [2, { scene: 4 }]);
  assertEquals(options.saveScene, "s.png");
  assertEquals(parse("--", "--why?").question, "--why?");
  assertEquals(parse("--", "--json=0").question, "--json=0");
  assertEquals(parse("007").question, "007");
  // The last one counts.
  assertEquals(parse("--scene=1", "--scene=2").picture, { scene: 2 });
});

Deno.test("parseAskOptions() says in one sentence what cannot be", () => {
  const cases: [string, string][] = [
    ["", "Cannot answer an empty question"],
    ["--fast", "Cannot use --fast as there is no such option: see --help"],
    [
      "--image=a.png --scene=1",
      "Cannot use --scene beside --image as a question is about one of them",
    ],
    [
      "--image=a.png --save-scene=s.png",
      "Cannot use --save-scene beside --image as no scene is asked about",
    ],
    [
      "--save-scene=",
      'Cannot use --save-scene as it must be a name: current value is ""',
    ],
    [
      "--imag=a.png why?",
      "Cannot use --imag=a.png as there is no such option: the nearest is --image, see --help",
    ],
    [
      "why? --chat=on",
      "Cannot use --chat=on as --chat takes no value",
    ],
    [
      "--model=m what?",
      "Cannot ask m without an image: give --image FILE",
    ],
    [
      "--scene=-1",
      'Cannot use --scene as it must be an integer >= 0: current value is "-1"',
    ],
    [
      "--top-p=0",
      'Cannot use --top-p as it must be in (0, 1]: current value is "0"',
    ],
    [
      "--top-p=1.1",
      'Cannot use --top-p as it must be in (0, 1]: current value is "1.1"',
    ],
    [
      "--temperature=hot",
      'Cannot use --temperature as it must be a number >= 0: current value is "hot"',
    ],
    [
      "--max-tokens=0",
      'Cannot use --max-tokens as it must be an integer >= 1: current value is "0"',
    ],
    [
      "--positions=new",
      'Cannot use --positions as it must be one of original, reindexed: current value is "new"',
    ],
    [
      "--image=",
      'Cannot use --image as it must be a name: current value is ""',
    ],
  ];
  for (const [line, message] of cases) {
    const error = assertThrows(
      () => parseAskOptions(line.split(" ")),
      RangeError,
    );
    assertEquals(error.message, message);
  }
});

Deno.test("--help of ask.ts fits a terminal", () => {
  for (const line of USAGE.split("\n")) {
    assert(line.length <= 80, line);
    assertEquals(line, line.trimEnd());
  }
});
