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
  type SettledOptions,
  settleOptions,
} from "./cli/options.ts";
import { createOutput, explainEnd, type Output } from "./cli/output.ts";
import { toJson } from "./cli/json.ts";
import { prepareDirectory } from "./cli/results.ts";
import { runScenario1 } from "./cli/scenario1.ts";
import { runScenario2 } from "./cli/scenario2.ts";
import type { Setup } from "./cli/setup.ts";
import { printAnswers, printHeader, printKinds, printTau } from "./cli/show.ts";
import { exportStudies, listStudies, openTrialStore } from "./cli/trials.ts";
import { USAGE } from "./cli/usage.ts";
import {
  announceDevice,
  generationWarnings,
  planAnnouncer,
  searchWarnings,
} from "./cli/warnings.ts";
import { formatSeconds } from "./report/mod.ts";
import { checkEpsilon } from "./search/mod.ts";
import type { TrialStore } from "./store/mod.ts";
import { type LoadedModel, loadModel } from "./study/load.ts";
import { chooseMetric, type MetricName } from "./study/metrics.ts";
import { loadQuestionSets, type QuestionSets } from "./study/questions.ts";
import { openRecords } from "./study/records.ts";
import { openStudy } from "./study/study.ts";

/**
 * Runs the command line. Ctrl-C ends the program at once while there are no
 * trials to keep. After the first trial it ends the search.
 *
 * @param args the arguments as the user typed them
 * @returns the exit code: 0 on success or when the reader of standard output
 *   has gone, 2 on wrong use, unreadable input or failed output, 130 after
 *   Ctrl-C
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
      const { list, exportTo, out, study } = options;
      if (exportTo !== null) await exportStudies(out, exportTo, study);
      if (list) await listStudies(out, study, output);
      if (list || exportTo !== null) return 0;
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

/** The parts of the program that a search uses besides its options. */
interface Surroundings {
  /** Receives everything the search prints. */
  readonly output: Output;
  /** Ends the search. */
  readonly signal: AbortSignal;
  /** Called before the first trial that is worth keeping. */
  readonly onTrials: () => void;
}

/** Loads and checks the model and the questions, then searches with them. */
async function search(
  given: SearchOptions,
  surroundings: Surroundings,
): Promise<void> {
  const { output } = surroundings;
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
  if (options.scenario !== "2") {
    checkEpsilon(options.criterion, sets.calibration.samples.length);
  }
  const metric = chooseMetric(options.metric, sets.heldout);
  await prepareDirectory(options.out);
  const store = await openTrialStore(options.out);
  try {
    const prepared = { loaded, options, sets, metric, store, start };
    await searchAndJudge(prepared, surroundings);
  } finally {
    await store.close();
  }
}

/** The model, questions and options after all checks. */
interface Prepared {
  readonly loaded: LoadedModel;
  readonly options: SettledOptions;
  readonly sets: QuestionSets;
  readonly metric: MetricName | null;
  /** The store that records trials. */
  readonly store: TrialStore;
  /** Start of the program, in milliseconds. */
  readonly start: number;
}

async function searchAndJudge(
  { loaded, options, sets, metric, store, start }: Prepared,
  { output, signal, onTrials }: Surroundings,
): Promise<void> {
  const { model, scenario, out, ranking, positions } = options;
  const { calibration, heldout } = sets;
  const warnings = [
    ...await searchWarnings({ ...sets, loaded, embedded: model === null }),
    ...metric === null ? [] : generationWarnings(loaded),
  ];
  warnings.forEach(output.warn);
  printHeader(output, loaded, sets);
  await printAnswers(output, loaded, heldout);

  const records = await openRecords(store, loaded);
  const { status } = output;
  const how = { ranking, positions, metric, records, status, signal };
  using study = await openStudy(loaded, sets, how);
  printKinds(output, heldout, study.full.evaluation);
  await printTau(output, loaded, calibration);
  const setup: Setup = { ...study, records, options, output };
  onTrials();
  const scenario1 = scenario === "2" ? null : await runScenario1(setup);
  const scenario2 = scenario === "1"
    ? null
    : await runScenario2(setup, scenario1?.reduced.schedule ?? null);

  const seconds = (performance.now() - start) / 1000;
  const files = [...scenario1?.files ?? [], ...scenario2?.files ?? []];
  const names = [...files, "trials.sqlite"].map((file) => `${out}/${file}`);
  output.say(
    `\nWritten: ${new Intl.ListFormat("en").format(names)}, in ${
      formatSeconds(seconds)
    }`,
  );
  output.result(toJson(setup, { scenario1, scenario2, seconds, warnings }));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
