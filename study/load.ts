/**
 * From the name of a model's folder to the model.
 */

import {
  loadVisionLanguageModel,
  type ModelConfig,
  preprocessImage,
  type RgbImage,
  type VisionLanguageModel,
  type WeightOptions,
  type WeightType,
} from "../core/mod.ts";
import {
  type EncodedPrompt,
  encodePrompt,
  type ModelDirectory,
  openModelDirectory,
} from "../io/mod.ts";
import { type ModelShape, visionFlops } from "../search/mod.ts";
import {
  type DeviceChoice,
  freeMemory,
  type ModelDevice,
  openDevice,
} from "./device.ts";
import {
  checkRoom,
  cpuRoom,
  type MemoryPlan,
  type MemoryRoom,
  planMemory,
} from "./memory_plan.ts";

/** A model, what its folder says, and what to call it. */
export interface LoadedModel extends ModelDirectory {
  /** What output calls it. */
  readonly name: string;
  /** On this thread. */
  readonly model: VisionLanguageModel;
  /** Where it runs. */
  readonly device: ModelDevice;
  /** How the weights of its linear layers are stored there. */
  readonly weightType: WeightType;
  /** What memory each copy of it takes. */
  readonly plan: MemoryPlan;
  /**
   * What the model sees of a picture of any size: one picture of its own size
   * or several, equally many for pictures of equal size.
   *
   * @throws {RangeError} the folder asks for another size than the model's
   */
  imageTiles(image: RgbImage): RgbImage[];
  /**
   * The prompt of one question about an image, in tokens.
   *
   * @param tiles of the image, each of which has the model's N vision tokens
   */
  encodeQuestion(question: string, tiles: number): EncodedPrompt;
}

/** How a model is loaded. */
export interface LoadOptions extends WeightOptions {
  /** Called with what the model takes before its weights are read. */
  readonly onPlan?: (plan: MemoryPlan, room: MemoryRoom) => void;
}

const EMBEDDED = new URL("../models/tiny", import.meta.url);

/**
 * Loads a Hugging Face directory, or the embedded model for null.
 *
 * @throws {RangeError} the model cannot fit into memory; the message says what
 *   would
 */
export async function loadModel(
  directory: string | null,
  choice: DeviceChoice = "cpu",
  { weightType = "f32", onPlan }: LoadOptions = {},
): Promise<LoadedModel> {
  const path = directory ?? decodeURIComponent(EMBEDDED.pathname);
  const opened = await openModelDirectory(path);
  const { source, processor, tokenizer, template, format } = opened;
  const { config } = source;
  const { framing } = processor;
  const plan = planMemory(config, { weightType, framing });
  const { device, available, backend } = await openDevice(choice, plan.total, {
    weightType,
  });
  const room = { device, available, onCpu: cpuRoom(freeMemory()) };
  checkRoom(path, config, { weightType, framing, room });
  onPlan?.(plan, room);
  return {
    ...opened,
    name: directory ?? "models/tiny",
    model: await loadVisionLanguageModel(backend, source),
    device,
    weightType,
    plan,
    imageTiles(image): RgbImage[] {
      const tiles = preprocessImage(image, processor);
      checkSize(tiles[0], config, path);
      return tiles;
    },
    encodeQuestion: (question, tiles) =>
      encodePrompt(
        tokenizer,
        template.render([{ role: "user", content: question, images: 1 }]),
        { format, visionTokens: tiles * config.visionTokens },
      ),
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

/** What the cost formulas need to know of a model, of an image of one tile. */
export function modelShape(config: ModelConfig): ModelShape {
  const { vision, projector, decoder } = config;
  const patches = Math.floor(vision.imageSize / vision.patchSize) ** 2;
  return {
    layers: decoder.layers,
    width: decoder.width,
    kvWidth: decoder.kvHeads * decoder.headWidth,
    mlpWidth: decoder.mlpWidth,
    vocabulary: decoder.vocabulary,
    visionFlops: visionFlops({
      images: 1,
      layers: vision.featureLayers,
      width: vision.width,
      mlpWidth: vision.mlpWidth,
      patches,
      patchInputs: 3 * vision.patchSize ** 2,
      tokens: patches + 1,
      projectorTokens: config.visionTokens,
      projectorWidths: [
        projector.merge ** 2 * vision.width,
        decoder.width,
        decoder.width,
      ],
    }),
  };
}
