/** Loads a model from the place of its folder, ready to answer questions. */

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
  /** Called with the model's memory plan before its weights are read. */
  readonly onPlan?: (plan: MemoryPlan, room: MemoryRoom) => void;
  /** Called as weights are read, with the share read so far, in (0, 1]. */
  readonly onProgress?: (share: number) => void;
}

/** The options of an answer, and the callback that receives it as it grows. */
export interface AnswerOptions extends ConversationOptions {
  /** Called with each piece of the answer's text. */
  readonly onText?: (text: string) => void;
}

/** A model, the contents of its folder, and its name. */
export interface LoadedModel extends ModelDirectory, AskedModel {
  /** The model's name in all output. */
  readonly name: string;
  /** The device that it runs on. */
  readonly device: ModelDevice;
  /** Why "auto" did not choose WebGPU; null if nothing was passed over. */
  readonly passedOver: string | null;
  /** How the weights of its linear layers are stored on the device. */
  readonly weightType: WeightType;
  /** The memory that each copy of it takes. */
  readonly plan: MemoryPlan;
  /**
   * Answers one question about an image.
   *
   * @param image an image file's bytes, or pixels
   * @param question what is asked, without image markers or a template
   * @param options the schedule, the longest answer, sampling, `onText`
   * @returns the answer and its cost
   * @throws {SyntaxError} the image is not one
   * @throws {RangeError} the schedule is of another depth than the model
   */
  ask(
    image: AnyImage,
    question: string,
    options?: AnswerOptions,
  ): Promise<Answer>;
  /**
   * Embeds an image for several questions.
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
   * The pictures that the model sees of a picture of any size: one of the
   * model's own size, or several tiles. Pictures of equal size have equally
   * many.
   *
   * @throws {RangeError} the folder asks for another size than the model's
   */
  imageTiles(image: RgbImage): RgbImage[];
}

/**
 * The folder of the embedded model lies beside the code: on this machine, or at
 * the address that the code was loaded from. A bundler would take a literal URL
 * for one of a page's own files.
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
  // Some checkpoints hold tensors that no step reads, so the share would not
  // reach 1.
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

/** Wraps a checkpoint so that it reports the share that has been read. */
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
