/**
 * From the place of a model's folder to the model, ready to be asked.
 */

import {
  loadVisionLanguageModel,
  type ModelConfig,
  prepareModel,
  preprocessImage,
  type RgbImage,
  type TensorStore,
  type WeightOptions,
  type WeightType,
} from "../core/mod.ts";
import {
  encodePrompt,
  type ModelDirectory,
  openFolder,
  openModelDirectory,
  type Place,
} from "../io/mod.ts";
import {
  type Answer,
  type AskedModel,
  type Conversation,
  type ConversationOptions,
  openConversation,
} from "./conversation.ts";
import { type DeviceChoice, type ModelDevice, openDevice } from "./device.ts";
import { type AnyImage, toRgbImage } from "./image.ts";
import { cpuRoom, freeMemory } from "./machine.ts";
import {
  checkRoom,
  type MemoryPlan,
  type MemoryRoom,
  planMemory,
} from "./memory_plan.ts";

/** How a model is loaded. */
export interface LoadOptions extends WeightOptions {
  /**
   * Where it runs: "cpu" (WebAssembly), "webgpu", "reference" (plain loops), or
   * "auto": WebGPU where the GPU is hardware, else the CPU. Default "auto".
   */
  readonly device?: DeviceChoice;
  /** Called with what the model takes before its weights are read. */
  readonly onPlan?: (plan: MemoryPlan, room: MemoryRoom) => void;
  /** Called as weights come in, with the share that is there, in (0, 1]. */
  readonly onProgress?: (share: number) => void;
}

/** How a question is answered, and who hears the answer as it grows. */
export interface AnswerOptions extends ConversationOptions {
  /** Called with each piece of the answer's text. */
  readonly onText?: (text: string) => void;
}

/** A model, what its folder says, and what to call it. */
export interface LoadedModel extends ModelDirectory, AskedModel {
  /** What output calls it. */
  readonly name: string;
  /** Where it runs. */
  readonly device: ModelDevice;
  /** Why "auto" is not WebGPU there; null where nothing was passed over. */
  readonly passedOver: string | null;
  /** How the weights of its linear layers are stored there. */
  readonly weightType: WeightType;
  /** What memory each copy of it takes. */
  readonly plan: MemoryPlan;
  /**
   * Answers one question about an image.
   *
   * @param image an image file's bytes, or pixels
   * @param question what is asked, without image markers or a template
   * @param options the schedule, the longest answer, sampling, `onText`
   * @returns the answer, and what it took
   * @throws {SyntaxError} the image is not one
   * @throws {RangeError} the schedule is of another depth than the model
   */
  ask(
    image: AnyImage,
    question: string,
    options?: AnswerOptions,
  ): Promise<Answer>;
  /**
   * Embeds an image that several questions are to be asked about.
   *
   * @param image an image file's bytes, or pixels
   * @throws {SyntaxError} the image is not one
   * @throws {RangeError} the schedule is of another depth than the model
   */
  converse(
    image: AnyImage,
    options?: ConversationOptions,
  ): Promise<Conversation>;
  /**
   * What the model sees of a picture of any size: one picture of its own size
   * or several, equally many for pictures of equal size.
   *
   * @throws {RangeError} the folder asks for another size than the model's
   */
  imageTiles(image: RgbImage): RgbImage[];
}

/**
 * The folder of the embedded model, beside the code: on this machine, or where
 * the code was loaded from. Bundlers would take a URL that is written out for
 * one of a page's own files.
 */
const HERE = import.meta.url;
const EMBEDDED = "../models/tiny/";

/**
 * Loads a model from its Hugging Face folder.
 *
 * @example Ask the embedded model
 * ```ts
 * import { drawScene, loadModel, sceneRandom } from "@tokensieve/tokensieve";
 *
 * const model = await loadModel();
 * const scene = drawScene(sceneRandom("heldout", 0, 3));
 * const image = { width: 96, height: 96, data: scene.pixels };
 * const { text } = await model.ask(image, "how many red shapes ?");
 * console.log(text); // one
 * ```
 *
 * @param place where the folder is: a path, an address, a browser's `File`s;
 *   null for the embedded model, which lies beside the code
 * @throws {Error} a file is missing or cannot be read
 * @throws {SyntaxError} a file is not what its name says
 * @throws {TypeError} weights are missing, misshapen or unexpected
 * @throws {RangeError} a field is wrong, or the model cannot fit into memory; the
 *   message says what would
 * @throws {GpuError} the device is "webgpu" and there is no GPU
 */
export async function loadModel(
  place: Place | null = null,
  { device: choice = "auto", weightType = "f32", onPlan, onProgress }:
    LoadOptions = {},
): Promise<LoadedModel> {
  const folder = openFolder(place ?? new URL(EMBEDDED, HERE));
  const { label } = folder;
  const opened = await openModelDirectory(folder);
  const { source, processor, tokenizer, template, format } = opened;
  const { config } = source;
  const { framing } = processor;
  const plan = planMemory(source, { weightType, framing });
  const { device, available, backend, passedOver } = await openDevice(
    choice,
    plan.total,
    { weightType },
  );
  const room = { device, available, onCpu: cpuRoom(freeMemory()) };
  checkRoom(source, { weightType, framing, room });
  onPlan?.(plan, room);
  const tensors = onProgress
    ? withProgress(source.tensors, onProgress)
    : source.tensors;
  const model = await loadVisionLanguageModel(backend, { ...source, tensors });
  await prepareModel(model);
  // Some checkpoints hold tensors that no step needs.
  onProgress?.(1);

  const loaded: LoadedModel = {
    ...opened,
    name: place === null ? "models/tiny" : label,
    model,
    device,
    passedOver,
    weightType,
    plan,
    async ask(image, question, { onText, ...options } = {}): Promise<Answer> {
      const conversation = await loaded.converse(image, options);
      try {
        return await conversation.ask(question, onText);
      } finally {
        conversation[Symbol.dispose]();
      }
    },
    async converse(image, options): Promise<Conversation> {
      const tiles = loaded.imageTiles(await toRgbImage(image));
      return await openConversation(loaded, tiles, options);
    },
    imageTiles(image): RgbImage[] {
      const tiles = preprocessImage(image, processor);
      checkSize(tiles[0], config, label);
      return tiles;
    },
    encodeQuestion: (question, tiles, options) =>
      encodePrompt(
        tokenizer,
        template.render([{ role: "user", content: question, images: 1 }]),
        { ...options, format, visionTokens: tiles * config.visionTokens },
      ),
  };
  return loaded;
}

/** A checkpoint that tells how much of it has been read. */
function withProgress(
  { tensors, read }: TensorStore,
  onProgress: (share: number) => void,
): TensorStore {
  const sizeOf = (shape: readonly number[]): number =>
    shape.reduce((product, size) => product * size, 1);
  const total = [...tensors.values()]
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  let done = 0;
  return {
    tensors,
    async read(...args): Promise<Float32Array> {
      const values = await read(...args);
      done += values.length;
      // Tied tensors are read twice.
      onProgress(Math.min(1, done / total));
      return values;
    },
  };
}

function checkSize(
  { width, height }: RgbImage,
  { vision: { imageSize } }: ModelConfig,
  path: string,
): void {
  if (width !== imageSize || height !== imageSize) {
    throw new RangeError(
      `Cannot use ${path} as its image processor must make pictures of ${imageSize} x ${imageSize} pixels: current size is ${width} x ${height}`,
    );
  }
}
