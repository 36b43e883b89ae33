// Scenario II of search.ts as a user meets it.

import { assert, assertEquals } from "@std/assert";
import type { BudgetOutcome } from "../../study/budgets.ts";
import type { PSigmoidTrial } from "../../search/mod.ts";
import type { StudySummary } from "../../store/mod.ts";
import {
  cutTrials,
  DATA,
  exists,
  interrupt,
  read,
  succeed,
  succeedJson,
  testIn,
  trialsIn,
} from "../_search_cli.ts";
import { writeQuestions } from "../_small_model.ts";

/** What `--json` says of a budget. */
interface BudgetJson {
  readonly budget: BudgetOutcome["choice"];
  readonly runs: readonly {
    readonly name: string;
    readonly ranking: string;
    readonly positions: string;
    readonly keep: readonly number[];
    readonly difference: number;
    readonly interval: readonly [number, number];
    readonly meanKeepingRate: number;
    readonly kvBytes: number;
    readonly prefillMilliseconds: number;
    readonly decodeMilliseconds: number;
  }[];
  readonly unmet: readonly { readonly name: string }[];
}

/** What `--list --json` says. */
interface StudiesJson {
  readonly studies: readonly StudySummary[];
}

/** What `--json` says. */
interface SearchJson {
  readonly budgets: readonly BudgetJson[];
  readonly keep?: readonly number[];
  readonly reduced?: unknown;
}

testIn(
  "search.ts --scenario both compares all methods at each budget, and goes on after an interruption",
  async (place, t) => {
    const args = [
      ...["--model=model", ...DATA, "--criterion=loss"],
      ...["--scenario=both", "--budget=0.3,kv:0.8,0.2", "--evaluations=4"],
      "--first-layer=1",
    ];
    const { result: { budgets, keep }, told } = await succeedJson<SearchJson>(
      place,
      args,
    );
    assertEquals(budgets.map(({ budget }) => budget), [
      { kind: "rate", share: .3 },
      { kind: "kv", share: .8 },
      { kind: "rate", share: .2 },
    ]);
    const [low, cache, tight] = budgets;
    assertEquals(low.runs.map(({ name }) => name), [
      "P-Sigmoid",
      "FastV K=1",
      "PyramidDrop",
      "VTW",
      "FitPrune",
      "SparseVLM",
      "G-Search, rescaled",
      "constant rate",
      "constant rate, random",
      "constant rate, uniform",
      "P-Sigmoid, random",
      "P-Sigmoid, uniform",
      "full model",
    ]);
    const full = low.runs.at(-1)!;
    for (const { meanKeepingRate, difference, interval, ...run } of low.runs) {
      assert(run.name === "full model" || meanKeepingRate <= .3, run.name);
      assert(interval[0] <= difference && difference <= interval[1]);
      assert(run.prefillMilliseconds > 0 && run.decodeMilliseconds > 0);
    }
    for (const { name, kvBytes } of cache.runs.slice(0, -1)) {
      assert(kvBytes <= .85 * full.kvBytes, name);
    }
    // One full layer of four costs more.
    assertEquals(tight.runs, []);
    assertEquals(tight.unmet.map(({ name }) => name), ["P-Sigmoid"]);
    assert(told.includes("cannot be met"), told);
    assert(told.includes("VTW's own rule"), told);

    const schedule = JSON.parse(await read(place, "out/schedule-0.3.json"));
    assertEquals(schedule.keep, low.runs[0].keep);
    assertEquals(schedule.search.method, "P-Sigmoid");
    // Here the reduced model's difference from the full one; there the reverse.
    assert(full.difference > 0);
    const points = schedule.heldout.differenceInPoints;
    assertEquals(
      [-points.difference, -points.high, -points.low],
      [full.difference, ...full.interval],
    );
    assertEquals(
      JSON.parse(await read(place, "out/schedule.json")).keep,
      keep,
    );
    const left = [...Deno.readDirSync(`${place}/out`)].map(({ name }) => name);
    assertEquals(left.sort(), [
      "schedule-0.3.json",
      "schedule-kv-0.8.json",
      "schedule.json",
      "trials.sqlite",
    ]);

    await t.step("with no trial repeated", async () => {
      const path = `${place}/out`;
      const before = await trialsIn<PSigmoidTrial>(path, "budget 0.3");
      const found = await read(place, "out/schedule-0.3.json");
      assert(before.length > 2, "too easy to show how a search goes on");
      // From its trials, and then from its state.
      await cutTrials(path, 2, 1);
      for (const trials of [1, before.length]) {
        const { told } = await succeedJson<SearchJson>(place, args);
        assert(
          told.includes(`goes on after trial ${trials} in out/trials.sqlite`),
        );
        const after = await trialsIn<PSigmoidTrial>(path, "budget 0.3");
        assertEquals(after.slice(0, 1), before.slice(0, 1));
        assertEquals(after.map(withoutTime), before.map(withoutTime));
        assertEquals(await read(place, "out/schedule-0.3.json"), found);
      }
    });
  },
);

/** A trial without what differs from run to run. */
function withoutTime(
  { seconds: _, ...trial }: PSigmoidTrial,
): Omit<PSigmoidTrial, "seconds"> {
  return trial;
}

testIn(
  "search.ts --scenario 2 runs what --baselines names, from the layer and with the positions it is told",
  async (place) => {
    const { result } = await succeedJson<SearchJson>(place, [
      ...["--model=model", ...DATA, "--scenario=2", "--seed=5"],
      ...["--budget=flops:0.9", "--baselines=constant", "--evaluations=3"],
      ...["--first-layer=2", "--positions=reindexed", "--rank=last"],
    ]);
    const { reduced, budgets: [{ runs }] } = result;
    assertEquals(reduced, undefined);
    assertEquals(
      runs.map(({ name, ranking, positions }) =>
        `${name}: ${ranking}, ${positions}`
      ),
      [
        "P-Sigmoid: last, reindexed",
        "constant rate: last, reindexed",
        "constant rate, random: random, reindexed",
        "constant rate, uniform: uniform, reindexed",
        "full model: last, reindexed",
      ],
    );
    assertEquals(runs[0].keep.slice(0, 2), [16, 16]);
    const { result: { studies } } = await succeedJson<StudiesJson>(place, [
      "--list",
    ]);
    assertEquals(
      studies.map((
        { identity: { search, options } },
      ) => [search, options.seed]),
      [["P-Sigmoid", 5]],
    );
  },
);

testIn(
  "search.ts --scenario 2 ends with code 130 on Ctrl-C and goes on when started again",
  async (place) => {
    await writeQuestions(`${place}/data`, "many.jsonl", 300, 3);
    const args = [
      ...["--model=model", "--scenario=2", "--baselines=none", "--budget=0.6"],
      ...["--calibration=data/many.jsonl", "--heldout=data/heldout.jsonl"],
      "--evaluations=7",
    ];
    const { code, out, err } = await interrupt(place, args, "P-Sigmoid");
    assertEquals(
      { code, err },
      { code: 130, err: "Interrupted: the same command goes on from here\n" },
    );
    const { length: trials } = await trialsIn(`${place}/out`, "P-Sigmoid");
    assert(trials < 7, "too late to interrupt");
    assert(out.includes(`P-Sigmoid stopped after trial ${trials}`), out);
    assertEquals(await exists(`${place}/out/schedule-0.6.json`), false);

    const resumed = await succeed(place, args);
    assert(resumed.includes(`goes on after trial ${trials} in`), resumed);
    await succeed(place, [...args, "--out=whole"]);
    assertEquals(
      await read(place, "out/schedule-0.6.json"),
      await read(place, "whole/schedule-0.6.json"),
    );
  },
  Deno.build.os === "windows",
);
