/**
 * From the names on a command line to a model and its questions.
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
  makeSceneSet,
  type SampleSet,
  SCENE_SIZE,
  type Split,
} from "../eval/mod.ts";
import {
  decodeImage,
  type EncodedPrompt,
  encodePrompt,
  type ModelDirectory,
  openModelDirectory,
  readBytes,
  readDataset,
  type Tokenizer,
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
  planMemory,
} from "./memory_plan.ts";
import type { QuestionSource } from "./options.ts";

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

/** Questions to run a model on, with the kind of each for tables. */
export interface QuestionSet extends SampleSet {
  /** "exist", "color", …; "all" for questions from a file. */
  readonly kinds: readonly string[];
  /** The questions and right answers in words. */
  readonly texts: readonly {
    readonly question: string;
    readonly answer: string;
  }[];
}

/** How to load a model. */
export interface LoadOptions extends WeightOptions {
  /**
   * Called before weights are read with the memory that the model will take, and
   * the bytes that there are.
   */
  readonly onPlan?: (plan: MemoryPlan, available: number) => void;
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
  { weightType = "f32", onPlan = () => {} }: LoadOptions = {},
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
  onPlan(plan, available);
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

/** Questions of the embedded task, or from a file. */
export async function loadQuestions(
  loaded: LoadedModel,
  source: QuestionSource,
  split: Split,
  seed: number,
): Promise<QuestionSet> {
  return "file" in source
    ? await loadQuestionFile(loaded, source.file)
    : drawQuestions(loaded, source.count, split, seed);
}

function drawQuestions(
  { name, model: { config }, tokenizer }: LoadedModel,
  count: number,
  split: Split,
  seed: number,
): QuestionSet {
  if (config.vision.imageSize !== SCENE_SIZE) {
    throw new RangeError(
      `Cannot ask ${name} the questions of the embedded task as its images must have ${SCENE_SIZE} pixels a side: current value is ${config.vision.imageSize}; use --calibration FILE and --heldout FILE`,
    );
  }
  const set = makeSceneSet(tokenizer, imageTokenId(config, tokenizer), {
    split,
    seed,
    count,
  });
  return {
    ...set,
    kinds: set.questions.map(({ kind }) => kind),
    texts: set.questions.map(({ words, answer }) => ({
      question: words.join(" "),
      answer,
    })),
  };
}

async function loadQuestionFile(
  { tokenizer, imageTiles, encodeQuestion }: LoadedModel,
  file: string,
): Promise<QuestionSet> {
  const { questions } = await readDataset([file]);
  const texts = questions.map(({ question, answers: [answer] }) => ({
    question,
    answer,
  }));
  const files = [...new Set(questions.map(({ image }) => image))];
  const images: RgbImage[][] = [];
  for (const source of files) {
    const label = typeof source === "string" ? source : `an image of ${file}`;
    const image = await decodeImage(await bytesOfImage(source, file), label);
    images.push(imageTiles(image));
  }
  const samples = questions.map(({ image, question }, index) => {
    const { answer } = texts[index];
    const { before, after } = encodeQuestion(
      question,
      images[files.indexOf(image)].length,
    );
    const ids = tokenizer.encode(answer);
    if (ids.length !== 1 || ids[0] === tokenizer.tokenId("<unk>")) {
      throw new RangeError(
        `Cannot use question ${
          index + 1
        } of ${file} as its answer must be one known token: current answer is "${answer}"`,
      );
    }
    return {
      image: files.indexOf(image),
      prompt: { before, after },
      answer: ids,
    };
  });
  return { images, samples, texts, kinds: texts.map(() => "all") };
}

async function bytesOfImage(
  source: string | Uint8Array | null,
  file: string,
): Promise<Uint8Array> {
  if (source === null) {
    throw new RangeError(
      `Cannot use ${file} as all its questions must have an image`,
    );
  }
  return typeof source === "string" ? await readBytes(source) : source;
}

/** The id of the token that stands for one vision token. */
function imageTokenId(
  { imageToken }: ModelConfig,
  tokenizer: Tokenizer,
): number {
  if (typeof imageToken === "number") return imageToken;
  const id = tokenizer.tokenId(imageToken);
  if (id === undefined) {
    throw new RangeError(
      `Cannot use the model as its tokenizer has no token "${imageToken}"`,
    );
  }
  return id;
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
