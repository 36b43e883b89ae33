/**
 * Asks a vision language model about an image, with all vision tokens or with
 * those that a schedule keeps.
 *
 * ```sh
 * deno run -A ask.ts --help                             # in a clone
 * deno run -A ask.ts --model DIR --image cat.jpg "What is it?"
 * deno run -A jsr:@tokensieve/tokensieve/cli/ask        # without one
 * ```
 *
 * Needs no model: the embedded one answers questions about a scene of its task.
 *
 * @module
 */
// deno-lint-ignore-file no-console

import {
  type AskOptions,
  parseAskOptions,
  type PictureSource,
  USAGE,
} from "./cli/ask_options.ts";
import {
  answerToJson,
  formatCost,
  formatPatches,
  layerToShow,
  type ToldAnswer,
} from "./cli/answers.ts";
import { readQuestions } from "./cli/lines.ts";
import { announceDevice, announcePlan } from "./cli/progress.ts";
import { createRandom, type RgbImage } from "./core/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom } from "./eval/mod.ts";
import {
  decodeImage,
  readBytes,
  readSchedule,
  type ScheduleFile,
} from "./io/mod.ts";
import { formatSchedule } from "./report/mod.ts";
import { loadModel } from "./study/load.ts";

/**
 * Runs the command line. Ctrl-C ends the program at once, as there is nothing to
 * save.
 *
 * @param args as the user typed them
 * @returns the exit code: 0 done, 2 wrong use or unreadable input. Reading a line
 *   may go on after an error, so the caller is to exit with it
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseAskOptions(args);
    if (options === null) console.log(USAGE);
    else await answerAll(options);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
}

async function answerAll(options: AskOptions): Promise<void> {
  const picture = await openPicture(options.picture);
  const loaded = await loadModel(options.model, {
    device: options.device,
    weightType: options.weights,
    onPlan: announcePlan,
  });
  announceDevice(loaded);
  const { maxTokens, temperature, topP } = options;
  const file = await scheduleOf(options, loaded.model.config.decoder.layers);
  const conversation = await loaded.converse(picture, {
    ...file,
    ...maxTokens !== null && { maxTokens },
    temperature,
    topP,
    random: createRandom(options.seed).uniform,
  });
  const { schedule } = conversation;
  const layer = options.show === null
    ? null
    : layerToShow(options.show, schedule);
  if (layer !== null && file.positions === "reindexed") {
    throw new RangeError(
      "Cannot draw patches as only original position ids tell which were kept: give --positions original",
    );
  }

  let asked = 0;
  for await (const question of questionsOf(options)) {
    const ask = options.chat ? conversation.goOn : conversation.ask;
    const answer = await ask(question, options.json ? () => {} : write);
    const told: ToldAnswer = {
      answer,
      schedule,
      shown: layer === null ? null : { layer, kept: await answer.kept(layer) },
    };
    if (options.json) console.log(answerToJson(loaded, told));
    else {
      console.log("\n");
      // It is the same for all questions.
      if (asked === 0) console.log(formatSchedule(schedule));
      console.log(formatCost(told) + "\n");
      const { shown } = told;
      if (shown) {
        const colors = Deno.stdout.isTerminal() && !Deno.noColor;
        const options = { shown, schedule, colors };
        console.log(formatPatches(loaded, picture, options) + "\n");
      }
    }
    asked++;
  }
  if (asked === 0) {
    throw new RangeError(
      "Cannot answer without a question: give it as the last argument, or one in each line of standard input",
    );
  }
}

async function openPicture(source: PictureSource): Promise<RgbImage> {
  if ("file" in source) {
    return await decodeImage(await readBytes(source.file), source.file);
  }
  const { pixels } = drawScene(sceneRandom("heldout", 0, source.scene));
  return { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels };
}

/** The schedule and how it is obeyed, the user's word first. */
async function scheduleOf(
  { schedule, ranking, positions }: AskOptions,
  layers: number,
): Promise<Partial<ScheduleFile>> {
  const file = schedule === null ? {} : await readSchedule(schedule, layers);
  return {
    ...file,
    ...ranking !== null && { ranking },
    ...positions !== null && { positions },
  };
}

/** The question of the command line, or those of standard input, or both. */
async function* questionsOf(
  { question, chat }: AskOptions,
): AsyncGenerator<string, void, void> {
  if (question !== null) yield question;
  if (question === null || chat) yield* readQuestions();
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
