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
import { informationText } from "./cli/help.ts";
import { readQuestions } from "./cli/lines.ts";
import { createOutput, explainEnd, type Output } from "./cli/output.ts";
import {
  announceDevice,
  askableText,
  generationWarnings,
  pictureWarnings,
  planAnnouncer,
  questionWarnings,
} from "./cli/warnings.ts";
import { createRandom, type RgbImage } from "./core/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom } from "./eval/mod.ts";
import {
  decodeImage,
  encodePng,
  readBytes,
  readSchedule,
  type ScheduleFile,
  writeAtomically,
} from "./io/mod.ts";
import { formatSchedule } from "./report/mod.ts";
import { loadModel } from "./study/load.ts";

/**
 * Runs the command line. Ctrl-C ends the program at once because there is
 * nothing to save.
 *
 * @param args the arguments as the user typed them
 * @returns the exit code: 0 on success or when the reader of standard output
 *   has gone, 2 on wrong use, unreadable input or failed output. A pending read
 *   of standard input may outlive an error, so the caller must exit with this
 *   code
 */
export async function main(args: readonly string[]): Promise<number> {
  let output = createOutput();
  try {
    const options = parseAskOptions(args);
    if (typeof options === "string") {
      output.draw(informationText(options, USAGE, output));
    } else {
      output = createOutput(options);
      await answerAll(options, output);
    }
    return 0;
  } catch (error) {
    return explainEnd(error, output);
  }
}

async function answerAll(options: AskOptions, output: Output): Promise<void> {
  const { say, draw, write, result, note, warn } = output;
  const picture = await openPicture(options.picture);
  if (options.saveScene !== null) {
    await writeAtomically(options.saveScene, await encodePng(picture));
  }
  const loaded = await loadModel(options.model, {
    device: options.device,
    weightType: options.weights,
    onPlan: planAnnouncer(output),
  });
  announceDevice(loaded, output);
  const { maxTokens, temperature, topP } = options;
  const file = await scheduleOf(options, loaded.model.config.decoder.layers);
  const conversation = await loaded.converse(picture, {
    ...file,
    ...maxTokens !== null && { maxTokens },
    temperature,
    topP,
    specialTokens: options.specialTokens,
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

  const embedded = options.model === null;
  const ofModel = [
    ...generationWarnings(loaded),
    ...embedded && "file" in options.picture
      ? pictureWarnings(loaded, options.picture.file, picture)
      : [],
  ];
  ofModel.forEach(warn);
  let asked = 0;
  let warned = 0;
  for await (const question of questionsOf(options, output)) {
    const ofQuestion = questionWarnings(loaded, question);
    ofQuestion.forEach(warn);
    if (embedded && warned === 0 && ofQuestion.length > 0) {
      note(askableText(loaded));
    }
    warned += ofQuestion.length;
    const ask = options.chat ? conversation.goOn : conversation.ask;
    const answer = await ask(question, write);
    const told: ToldAnswer = {
      answer,
      schedule,
      shown: layer === null ? null : { layer, kept: await answer.kept(layer) },
      warnings: [...ofModel, ...ofQuestion],
    };
    say("\n");
    // All questions share the same schedule and the same image.
    if (asked === 0) {
      draw(formatSchedule(schedule, output));
      if ("scene" in options.picture) say(sceneText(options.picture, options));
    }
    say(formatCost(told) + "\n");
    const { shown } = told;
    if (shown) {
      const patches = { schedule, ...shown };
      draw(formatPatches(loaded, picture, patches, output) + "\n");
    }
    result(answerToJson(loaded, told));
    asked++;
  }
  // A user who only wants to save the scene need not ask about it.
  if (asked === 0 && options.saveScene === null) {
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

/** The line that says where to look at the scene that was asked about. */
function sceneText(
  { scene }: { readonly scene: number },
  { saveScene }: AskOptions,
): string {
  const where = saveScene === null
    ? "; to look at it, give --save-scene FILE"
    : `, written to ${saveScene}`;
  return `scene ${scene} of the embedded task${where}`;
}

/**
 * The schedule and its rules. The user's options come before those of the file.
 */
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

/**
 * The question from the command line, the questions from standard input, or
 * both.
 */
async function* questionsOf(
  { question, chat }: AskOptions,
  output: Output,
): AsyncGenerator<string, void, void> {
  if (question !== null) yield question;
  if (question === null || chat) yield* readQuestions(output);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
