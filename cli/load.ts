/**
 * From the names on a command line to a model and its questions.
 */

import {
  loadVisionLanguageModel,
  type ModelConfig,
  type ModelSource,
  parseModelConfig,
  parseNormalization,
  type RgbImage,
  splitPrompt,
  type TensorStore,
  type VisionLanguageModel,
  weightBytes,
  type WeightOptions,
  type WeightType,
} from "../core/mod.ts";
import {
  makeSceneSet,
  promptText,
  type SampleSet,
  SCENE_SIZE,
  type Split,
} from "../eval/mod.ts";
import {
  decodeImage,
  loadCheckpoint,
  parseTokenizer,
  readBytes,
  readDataset,
  type Tokenizer,
} from "../io/mod.ts";
import { type ModelShape, visionFlops } from "../search/mod.ts";
import { type DeviceChoice, type ModelDevice, openDevice } from "./device.ts";
import type { QuestionSource } from "./options.ts";

/** A model, its tokenizer, and what to call it. */
export interface LoadedModel {
  /** What output calls it. */
  readonly name: string;
  /** On this thread. */
  readonly model: VisionLanguageModel;
  /** Where it runs. */
  readonly device: ModelDevice;
  /** How the weights of its linear layers are stored there. */
  readonly weightType: WeightType;
  /** What workers load it from. */
  readonly source: ModelSource;
  /** Of its checkpoint. */
  readonly tokenizer: Tokenizer;
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

const EMBEDDED = new URL("../models/tiny", import.meta.url);

/** Loads a Hugging Face directory, or the embedded model for null. */
export async function loadModel(
  directory: string | null,
  choice: DeviceChoice = "cpu",
  { weightType = "f32" }: WeightOptions = {},
): Promise<LoadedModel> {
  const path = directory ?? decodeURIComponent(EMBEDDED.pathname);
  const { config, preprocessor, tokenizer, weights } = await loadCheckpoint(
    path,
  );
  const source: ModelSource = {
    config: parseModelConfig(config, `${path}/config.json`),
    normalization: parseNormalization(
      preprocessor,
      `${path}/preprocessor_config.json`,
    ),
    tensors: weights,
    label: path,
  };
  const bytes = bytesOf(weights, weightType);
  const { device, backend } = await openDevice(choice, bytes, { weightType });
  return {
    name: directory ?? "models/tiny",
    model: await loadVisionLanguageModel(backend, source),
    device,
    weightType,
    source,
    tokenizer: parseTokenizer(tokenizer, `${path}/tokenizer.json`),
  };
}

/** What a checkpoint takes: all but linear layers is 32-bit floats. */
function bytesOf({ tensors }: TensorStore, weightType: WeightType): number {
  let bytes = 0;
  for (const [name, { shape: [O = 1, ...rest] }] of tensors) {
    const I = rest.reduce((product, size) => product * size, 1);
    const isLinear = rest.length > 0 && !/embed/.test(name);
    bytes += weightBytes(isLinear ? weightType : "f32", [O, I]);
  }
  return bytes;
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
  { model: { config }, tokenizer }: LoadedModel,
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
    checkSize(image, config, label);
    images.push([image]);
  }
  const samples = questions.map(({ image, question }, index) => {
    const { answer } = texts[index];
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
      prompt: splitPrompt(
        tokenizer.encode(promptText(question)),
        imageTokenId(config, tokenizer),
      ),
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

function checkSize(
  { width, height }: RgbImage,
  { vision: { imageSize } }: ModelConfig,
  path: string,
): void {
  if (width !== imageSize || height !== imageSize) {
    throw new RangeError(
      `Cannot use ${path} as the model's images have ${imageSize} x ${imageSize} pixels: current size is ${width} x ${height}`,
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
