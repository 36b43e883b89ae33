import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  parseOptions,
  type SearchOptions,
  settleOptions,
} from "../../cli/options.ts";
import { USAGE } from "../../cli/usage.ts";
import { RANKINGS } from "../../core/mod.ts";
import { BASELINE_METHODS, checkEpsilon } from "../../search/mod.ts";

/** Options with questions of the embedded task. */
type Counts = SearchOptions & {
  readonly calibration: { readonly count: number };
  readonly heldout: { readonly count: number };
};

const DEFAULTS: Counts = {
  scenario: "1",
  model: null,
  device: "auto",
  weights: "f32",
  data: { files: [], images: null },
  calibration: { count: 2000 },
  heldout: { count: 2000 },
  metric: "auto",
  criterion: { kind: "bound", epsilon: 0.5 },
  firstLayer: null,
  ranking: "instruction",
  positions: "original",
  budgets: [.4, .27, .17].map((share) => ({ kind: "rate", share })),
  evaluations: 40,
  baselines: BASELINE_METHODS.filter((method) => method !== "gsearch"),
  seed: 0,
  out: "out",
  study: null,
  list: false,
  exportTo: null,
  json: false,
};

const parse = (line: string) =>
  parseOptions(line === "" ? [] : line.split(" ")) as SearchOptions;

Deno.test("parseOptions() has a default for everything", () => {
  assertEquals(parse(""), DEFAULTS);
  // P-Sigmoid alone needs fewer questions.
  assertEquals(parse("--scenario 2").calibration, { count: 640 });
});

Deno.test("parseOptions() takes every option, in both spellings", () => {
  const expected: SearchOptions = {
    scenario: "both",
    model: "some/model",
    device: "cpu",
    weights: "int4",
    data: {
      files: ["q.json", "a.json"],
      images: "pictures",
    },
    calibration: { count: 64 },
    heldout: { file: "held.jsonl" },
    metric: "vqa",
    criterion: { kind: "accuracy", epsilon: 1.5 },
    firstLayer: 3,
    ranking: "last",
    positions: "reindexed",
    budgets: [{ kind: "rate", share: .3 }, { kind: "kv", share: .5 }],
    evaluations: 8,
    baselines: ["vtw", "gsearch"],
    seed: 7,
    out: "results/a",
    study: "first",
    list: true,
    exportTo: "trials.jsonl",
    json: true,
  };
  const line =
    "--scenario both --model some/model --device cpu --weights int4 --calibration 64 --heldout held.jsonl " +
    "--data q.json --data a.json --images pictures --metric vqa " +
    "--criterion accuracy --epsilon 1.5 --first-layer 3 --rank last --positions reindexed " +
    "--budget 0.30,kv:0.5 --evaluations 8 --baselines vtw,gsearch --seed 7 --out results/a --study first " +
    "--export trials.jsonl --list --json";
  assertEquals(parse(line), expected);
  assertEquals(parse(line.replace(/(--[\w-]+) (?!--)/g, "$1=")), expected);
});

Deno.test("parseOptions() lets --quick ask less and tolerate what that can show", () => {
  const quick = parse("--quick");
  const { calibration, heldout, criterion, evaluations } = quick as Counts;
  const changed = { calibration, heldout, criterion, evaluations };
  assertEquals(quick, { ...DEFAULTS, ...changed });
  assert(evaluations < DEFAULTS.evaluations);
  assert(calibration.count < DEFAULTS.calibration.count);
  assert(heldout.count < DEFAULTS.heldout.count);
  checkEpsilon(criterion, calibration.count);
  checkEpsilon(DEFAULTS.criterion, DEFAULTS.calibration.count);
  // What is said explicitly goes before.
  assertEquals(parse("--quick --heldout 100").heldout, { count: 100 });
  assertEquals(parse("--quick --scenario 2 --evaluations 50").evaluations, 50);
  assertEquals(parse("--quick --epsilon 4").criterion.epsilon, 4);
  assertEquals(parse("--quick --criterion loss").criterion.epsilon, 0.01);
});

Deno.test("settleOptions() reduces from the paper's layer on, in shallow models from a quarter of the layers on", () => {
  const firstLayer = (line: string, layers: number) =>
    settleOptions(parse(line), layers).firstLayer;
  assertEquals(firstLayer("", 32), 3);
  assertEquals(firstLayer("", 12), 3);
  assertEquals(firstLayer("", 8), 2);
  assertEquals(firstLayer("", 2), 1);
  assertEquals(firstLayer("--first-layer 5", 8), 5);
  assertThrows(() => firstLayer("--first-layer 8", 8), RangeError, "below 8");
  assertThrows(() => firstLayer("", 1), RangeError, "below 1");
});

Deno.test("settleOptions() lets P-Sigmoid search from layer 1 on where nothing is said", () => {
  const least = (line: string) => settleOptions(parse(line), 8).leastFirstLayer;
  assertEquals(least(""), 1);
  assertEquals(least("--first-layer 3"), 3);
});

Deno.test("parseOptions() reads budgets as shares of what the full model takes", () => {
  const budgets = (list: string) =>
    parse(`--scenario 2 --budget ${list}`).budgets;
  assertEquals(budgets("0.5"), [{ kind: "rate", share: .5 }]);
  assertEquals(budgets("flops:.25,0.40,kv:0.999"), [
    { kind: "flops", share: .25 },
    { kind: "rate", share: .4 },
    { kind: "kv", share: .999 },
  ]);
  assertEquals(budgets("0.4,.40,0.3,0.4").map(({ share }) => share), [.4, .3]);
});

Deno.test("parseOptions() reads baselines, G-Search's only where it is run", () => {
  const names = (line: string) =>
    parse(`--scenario 2 --baselines ${line}`).baselines;
  assertEquals(names("all --scenario both"), BASELINE_METHODS);
  assertEquals(names("none"), []);
  assertEquals(names("vtw,fastv --scenario 2"), ["vtw", "fastv"]);
  assertThrows(() => names("gsearch --scenario 2"), RangeError, "gsearch");
});

Deno.test("parseOptions() gives the criterion loss a tolerance in nats", () => {
  assertEquals(parse("--criterion loss").criterion, {
    kind: "loss",
    epsilon: 0.01,
  });
  assertEquals(parse("--criterion accuracy").criterion.epsilon, 0.5);
  assertEquals(parse("--epsilon 0").criterion.epsilon, 0);
});

Deno.test("parseOptions() tells numbers of questions from files of them", () => {
  const sources: [string, SearchOptions["calibration"]][] = [
    ["2", { count: 2 }],
    ["1e2", { count: 100 }],
    ["q.jsonl", { file: "q.jsonl" }],
    ["../q.jsonl", { file: "../q.jsonl" }],
    ["../../questions.txt", { file: "../../questions.txt" }],
    ["/a/b.jsonl", { file: "/a/b.jsonl" }],
    ["7wonders.jsonl", { file: "7wonders.jsonl" }],
  ];
  for (const [value, source] of sources) {
    assertEquals(parse(`--calibration ${value}`).calibration, source);
    assertEquals(parse(`--heldout ${value}`).heldout, source);
  }
});

Deno.test("parseOptions() takes the last of an option given twice", () => {
  assertEquals(parse("--seed 1 --out a --seed 2").seed, 2);
});

Deno.test("parseOptions() lets --help and --version go before whatever else there is", () => {
  const told: [string, string][] = [
    ["--help", "help"],
    ["-h", "help"],
    ["--criterion x --help --seed 1", "help"],
    ["--version", "version"],
    ["--json --version --seed x", "version"],
    ["--version -h", "help"],
  ];
  for (const [line, information] of told) {
    assertEquals<unknown>(parse(line), information, line);
  }
});

Deno.test("parseOptions() refuses a value for what takes none", () => {
  for (
    const arg of [
      "--json=0",
      "--json=false",
      "--json=",
      "--quick=yes",
      "--help=no",
      "--version=2",
      "-h=1",
    ]
  ) {
    const [name] = arg.split("=");
    const error = assertThrows(() => parse(`--seed 1 ${arg}`), RangeError);
    assertEquals(
      error.message,
      `Cannot use ${arg} as ${name} takes no value`,
    );
  }
  // Nor may "no" stand before its name.
  assertThrows(() => parse("--no-json"), RangeError, "no such option");
});

Deno.test("parseOptions() names each impossible value and what it must be", () => {
  const wrong: [string, string][] = [
    [
      "--model=",
      `Cannot use --model as it must be a name: current value is ""`,
    ],
    ["--out=", `Cannot use --out as it must be a name: current value is ""`],
    ...["calibration", "heldout"].flatMap((name) =>
      ["0", "-5", "2.5", "1e10", "Infinity", ""].map((
        value,
      ): [string, string] => [
        `--${name}=${value}`,
        `Cannot use --${name} as it must be an integer >= 1 or a file: current value is "${value}"`,
      ])
    ),
    [
      "--criterion best",
      `Cannot use --criterion as it must be one of accuracy, loss, bound: current value is "best"`,
    ],
    [
      "--weights fp8",
      `Cannot use --weights as it must be one of f32, f16, int8, int4: current value is "fp8"`,
    ],
    [
      "--device gpu",
      `Cannot use --device as it must be one of auto, cpu, webgpu, reference: current value is "gpu"`,
    ],
    [
      "--budget 0.2",
      "Cannot use --budget as it is of Scenario II: give --scenario 2 or both",
    ],
    [
      "--scenario 2 --epsilon 1",
      "Cannot use --epsilon as it is of Scenario I: give --scenario 1 or both",
    ],
    [
      "--out ",
      `Cannot use an empty value: the value of some option is missing`,
    ],
    [
      "--rank first",
      `Cannot use --rank as it must be one of instruction, last, raters, self_cross, next, random, uniform: current value is "first"`,
    ],
    [
      "--scenario II",
      `Cannot use --scenario as it must be one of 1, 2, both: current value is "II"`,
    ],
    [
      "--positions new",
      `Cannot use --positions as it must be one of original, reindexed: current value is "new"`,
    ],
    [
      "--scenario 2 --evaluations 0",
      `Cannot use --evaluations as it must be an integer >= 1: current value is "0"`,
    ],
    ...["0", "1", "-0.3", "0.3,", "rate:0.3", "flops:", "1.2.3", ""].map((
      value,
    ): [string, string] => [
      `--scenario=2 --budget=${value}`,
      `Cannot use --budget as it must be shares between 0 and 1, such as 0.27, flops:0.5 or kv:0.4, with commas between: current value is "${value}"`,
    ]),
    [
      "--scenario 2 --baselines vtw,fast",
      `Cannot use --baselines as it must be all, none or some of fastv, pyramiddrop, vtw, fitprune, sparsevlm, constant, psigmoid: current value is "vtw,fast"`,
    ],
    ...["-0.1", "many", "", "Infinity", "NaN"].map((value): [
      string,
      string,
    ] => [
      `--epsilon=${value}`,
      `Cannot use --epsilon as it must be a number >= 0: current value is "${value}"`,
    ]),
    ...["0", "-1", "1.5", "x", ""].map((value): [string, string] => [
      `--first-layer=${value}`,
      `Cannot use --first-layer as it must be an integer >= 1: current value is "${value}"`,
    ]),
    ...["-1", "0.5", "x", "4294967296", ""].map((value): [string, string] => [
      `--seed=${value}`,
      `Cannot use --seed as it must be an integer >= 0: current value is "${value}"`,
    ]),
    // An option without its value.
    [
      "--seed --json",
      `Cannot use --seed as it must be an integer >= 0: current value is ""`,
    ],
  ];
  for (const [line, message] of wrong) {
    const error = assertThrows(() => parse(line), RangeError);
    assertEquals(error.message, message);
  }
});

Deno.test("parseOptions() refuses what is no option, alone, among others and after --", () => {
  const unknown: [string, string][] = [
    ["--seed 1 --no-json", "--no-json"],
    ["-x", "-x"],
    ["fast", "fast"],
    ["--json 5", "5"],
    ["-- fast", "fast"],
  ];
  for (const [line, name] of unknown) {
    const error = assertThrows(() => parse(line), RangeError);
    assertEquals(
      error.message,
      `Cannot use ${name} as there is no such option: see --help`,
    );
  }
});

Deno.test("parseOptions() names the option that is meant where one is near", () => {
  const meant: [string, string][] = [
    ["--see 1", "--seed"],
    ["--epsilom=2", "--epsilon"],
    ["--first_layer 2", "--first-layer"],
    ["--eval 3", "--evaluations"],
    ["--Json", "--json"],
    ["-json", "--json"],
    ["--held-out 4", "--heldout"],
    ["json", "--json"],
  ];
  for (const [line, name] of meant) {
    const error = assertThrows(() => parse(line), RangeError);
    assertEquals(
      error.message,
      `Cannot use ${line.split(" ")[0]} as there is no such option: ` +
        `the nearest is ${name}, see --help`,
    );
  }
});

Deno.test("the usage names every option and fits into 80 columns", () => {
  for (
    const option of [
      "model",
      "scenario",
      "device",
      "weights",
      "calibration",
      "heldout",
      "criterion",
      "epsilon",
      "first-layer",
      "rank",
      "positions",
      "budget",
      "evaluations",
      "baselines",
      "seed",
      "out",
      "quick",
      "json",
      "version",
    ]
  ) {
    assertEquals(USAGE.split(`\n  --${option} `).length, 2, option);
  }
  for (const ranking of RANKINGS) {
    assert(new RegExp(`^ {23}.*\\b${ranking}\\b`, "m").test(USAGE), ranking);
  }
  for (const rival of BASELINE_METHODS) {
    assert(new RegExp(`^ {23}.*\\b${rival}\\b`, "m").test(USAGE), rival);
  }
  for (const line of USAGE.split("\n")) {
    assertEquals(line.slice(80), "", line);
  }
});
