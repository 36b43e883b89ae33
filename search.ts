/**
 * The main job: how few vision tokens does each layer of a model need?
 *
 * ```sh
 * deno run -A search.ts --help                          # in a clone
 * deno run -A jsr:@tokensieve/tokensieve/cli/search     # without one
 * ```
 *
 * Runs G-Search (docs/method.md, "G-Search") or P-Sigmoid (docs/method.md,
 * "P-Sigmoid") on calibration questions and shows on held-out questions what the
 * result is worth. Needs no arguments: a small trained model and its questions are
 * part of the repository.
 *
 * @module
 */

import { informationText } from "./cli/help.ts";
import {
  parseOptions,
  type SearchOptions,
  settleOptions,
} from "./cli/options.ts";
import { createOutput, explainEnd, type Output } from "./cli/output.ts";
import { toJson } from "./cli/json.ts";
import { prepareDirectory } from "./cli/results.ts";
import { runScenario1 } from "./cli/scenario1.ts";
import { runScenario2 } from "./cli/scenario2.ts";
import type { Setup } from "./cli/setup.ts";
import { printAnswers, printHeader, printKinds, printTau } from "./cli/show.ts";
import { USAGE } from "./cli/usage.ts";
import {
  announceDevice,
  generationWarnings,
  planAnnouncer,
  searchWarnings,
} from "./cli/warnings.ts";
import { formatSeconds } from "./report/mod.ts";
import { checkEpsilon } from "./search/mod.ts";
import { loadModel } from "./study/load.ts";
import { chooseMetric } from "./study/metrics.ts";
import { loadQuestionSets } from "./study/questions.ts";
import { openStudy } from "./study/study.ts";

/**
 * Runs the command line. Ctrl-C ends the program at once until there are trials
 * to keep, and then the search.
 *
 * @param args as the user typed them
 * @returns the exit code: 0 done or no reader, 2 wrong use, unreadable input or
 *   no room for output, 130 Ctrl-C
 */
export async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  let output = createOutput();
  try {
    const options = parseOptions(args);
    if (typeof options === "string") {
      output.draw(informationText(options, USAGE, output));
    } else {
      output = createOutput(options);
      await search(options, {
        output,
        signal: interrupt.signal,
        onTrials: () => Deno.addSignalListener("SIGINT", onInterrupt),
      });
    }
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      output.note("Interrupted: the same command goes on from here");
      return 130;
    }
    return explainEnd(error, output);
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}

async function search(
  given: SearchOptions,
  { output, signal, onTrials }: {
    /** Where all of it is told. */
    readonly output: Output;
    /** Ends it. */
    readonly signal: AbortSignal;
    /** Called when what comes is worth keeping. */
    readonly onTrials: () => void;
  },
): Promise<void> {
  const start = performance.now();
  const loaded = await loadModel(given.model, {
    device: given.device,
    weightType: given.weights,
    onPlan: planAnnouncer(output),
  });
  announceDevice(loaded, output);
  const { layers } = loaded.model.config.decoder;
  const options = settleOptions(given, layers);
  const sets = await loadQuestionSets(loaded, options);
  const { calibration, heldout } = sets;
  if (options.scenario !== "2") {
    checkEpsilon(options.criterion, calibration.samples.length);
  }
  const metric = chooseMetric(options.metric, heldout);
  await prepareDirectory(options.out);
  const embedded = given.model === null;
  const warnings = [
    ...await searchWarnings({ ...sets, loaded, embedded }),
    ...metric === null ? [] : generationWarnings(loaded),
  ];
  warnings.forEach(output.warn);
  printHeader(output, loaded, sets);
  await printAnswers(output, loaded, heldout);

  using study = await openStudy(loaded, sets, {
    ranking: options.ranking,
    positions: options.positions,
    metric,
    status: output.status,
    signal,
  });
  printKinds(output, heldout, study.full.evaluation);
  await printTau(output, loaded, calibration);
  const setup: Setup = { ...study, options, output };
  const { scenario, out } = options;
  onTrials();
  const scenario1 = scenario === "2" ? null : await runScenario1(setup);
  const scenario2 = scenario === "1"
    ? null
    : await runScenario2(setup, scenario1?.reduced.schedule ?? null);

  const seconds = (performance.now() - start) / 1000;
  const files = [...scenario1?.files ?? [], ...scenario2?.files ?? []];
  const names = files.map((file) => `${out}/${file}`);
  output.say(
    `\nWritten: ${new Intl.ListFormat("en").format(names) || "nothing"}, in ${
      formatSeconds(seconds)
    }`,
  );
  output.result(toJson(setup, { scenario1, scenario2, seconds, warnings }));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
