/**
 * Counts the pipelines that models/tiny compiles for the first question on
 * WebGPU, and measures the time of compilation. It does so on three software
 * adapters: Vulkan (lavapipe), OpenGL (llvmpipe) and headless Chromium
 * (SwiftShader).
 *
 *     deno task bench:pipelines
 *     deno task bench:pipelines --rounds 5 --on vulkan,chromium
 *
 * A driver compiles when a pipeline is made or when it first runs. So the time
 * of compilation is the time of loading and the first question, less the time of
 * the same question asked again. Every measurement runs in a new process without
 * Mesa's shader cache, or in a new browser without a profile. The table shows
 * medians of the rounds.
 */
// deno-lint-ignore-file no-console

import { cpus, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { findBrowser, startBrowser } from "../tests/browser/browser.ts";
import { serveRepository } from "../tests/browser/server.ts";
import { markdownTable } from "./markdown.ts";
import {
  type Measured,
  measureFirstQuestion,
  type Times,
} from "./pipelines/question.ts";
import { median } from "./turns.ts";

/** The adapters, in the order of the table. */
const PLACES = ["vulkan", "gl", "chromium"] as const;

type Place = typeof PLACES[number];

/** The time limit of a measurement, in milliseconds. OpenGL takes minutes. */
const LIMIT = 1_200_000;

/** Measures in a new process, on one of Deno's backends. */
async function measureInDeno(
  place: Place,
  reduced: boolean,
): Promise<Measured> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      import.meta.filename!,
      ...reduced ? ["--reduced"] : [],
      "--child",
    ],
    env: { DENO_WEBGPU_BACKEND: place, MESA_SHADER_CACHE_DISABLE: "true" },
    signal: AbortSignal.timeout(LIMIT),
  }).output();
  const [answer, log] = [stdout, stderr].map((x) =>
    new TextDecoder().decode(x)
  );
  if (!success) throw new Error(`Cannot measure on ${place}: ${log}`);
  return JSON.parse(answer);
}

/** Measures in a page of a new browser. */
async function measureInChromium(reduced: boolean): Promise<Measured> {
  await using server = await serveRepository();
  await using browser = await startBrowser(findBrowser());
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT);
  await page.goto(server.origin);
  return await page.evaluate(`import("/bench/pipelines/question.ts")
    .then(({ measureFirstQuestion }) => measureFirstQuestion(${reduced}))`);
}

/** Seconds of compilation: processor time if known, else wall time. */
function compileSeconds({ wall, processor }: Measured): number {
  const { load, first, second } = processor ?? wall;
  return (load + first - second) / 1000;
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["rounds", "on"],
    boolean: ["child", "reduced"],
    default: { rounds: "3", on: PLACES.join() },
  });
  if (args.child) {
    const processorTime = (): number => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    };
    const measured = await measureFirstQuestion(args.reduced, processorTime);
    console.log(JSON.stringify(measured));
    return;
  }
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, load ${
      loadavg()[0].toFixed(1)
    }; Deno ${Deno.version.deno}; medians of ${args.rounds} rounds\n`,
  );
  const seconds = (milliseconds: number): string =>
    (milliseconds / 1000).toFixed(2);
  const rows: string[][] = [];
  for (const place of args.on.split(",") as Place[]) {
    for (const reduced of [false, true]) {
      const rounds: Measured[] = [];
      for (let i = 0; i < Number(args.rounds); i++) {
        rounds.push(
          place === "chromium"
            ? await measureInChromium(reduced)
            : await measureInDeno(place, reduced),
        );
      }
      const [{ adapter, pipelines, processor }] = rounds;
      const wall = (time: keyof Times): string =>
        seconds(median(rounds.map(({ wall }) => wall[time])));
      const count = pipelines.reduce((sum, [, count]) => sum + count, 0);
      console.log(
        `${place}, ${reduced ? "reduced" : "all tokens"}: ${
          pipelines.map(([label, count]) => `${count} ${label}`).join(", ")
        }`,
      );
      rows.push([
        `${place} (${adapter}), ${reduced ? "reduced" : "all tokens"}`,
        String(count),
        median(rounds.map(compileSeconds)).toFixed(2),
        processor ? "processor" : "clock",
        wall("load"),
        wall("first"),
        wall("second"),
      ]);
    }
  }
  const header = [
    "where",
    "pipelines",
    "compile s",
    "by",
    "load s",
    "first s",
    "second s",
  ];
  console.log(`\n${markdownTable([header, ...rows])}`);
}

await main();
