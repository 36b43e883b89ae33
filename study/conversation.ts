/**
 * Questions about one image, answered token by token.
 */

import {
  type Context,
  contextTensors,
  createRandom,
  embedPrompts,
  embedTiles,
  extend,
  fullSchedule,
  generate,
  prefill,
  type ReductionOptions,
  type RgbImage,
  type SamplingOptions,
  scaleSchedule,
  type Schedule,
  type Span,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import {
  type EncodedPrompt,
  encodeTurn,
  type Message,
  type ModelDirectory,
  type TextStream,
  type Tokenizer,
  type UserTextOptions,
} from "../io/mod.ts";
import { decoderFlops, kvCacheBytes } from "../search/mod.ts";
import { modelShape } from "./shape.ts";

/** The longest answer if neither the user nor the model's folder states one. */
export const MAX_TOKENS = 256;

/** How questions are answered. */
export interface ConversationOptions
  extends ReductionOptions, SamplingOptions, UserTextOptions {
  /**
   * The number of vision tokens that each layer keeps. For an image with
   * another number of vision tokens, the keeping rates apply. Default: all.
   */
  readonly schedule?: Schedule;
  /** The longest answer. Default: the value in the model's folder, or 256. */
  readonly maxTokens?: number;
  /** Ends an answer. Its promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The parts of a loaded model that a conversation needs. */
export interface AskedModel extends
  Pick<
    ModelDirectory,
    "tokenizer" | "template" | "stopTokens" | "maxTokens"
  > {
  /** The model. */
  readonly model: VisionLanguageModel;
  /**
   * Encodes the prompt of one question about an image as tokens.
   *
   * @param tiles of the image, each of which has the model's N vision tokens
   */
  encodeQuestion(
    question: string,
    tiles: number,
    options?: UserTextOptions,
  ): EncodedPrompt;
}

/** An answer and its cost. */
export interface Answer {
  /** The question. */
  readonly question: string;
  /** The text of the answer. */
  readonly text: string;
  /** The number of its tokens. */
  readonly tokens: number;
  /**
   * Milliseconds from pixels to vision tokens, spent once for all questions.
   */
  readonly vision: number;
  /** Milliseconds until the first token of the answer. */
  readonly prefill: number;
  /** Milliseconds for each further token; null if there was none. */
  readonly decode: number | null;
  /** Bytes of the KV cache before the answer. */
  readonly cacheBytes: number;
  /** Bytes that the KV cache would have with all vision tokens. */
  readonly fullCacheBytes: number;
  /** FLOPs of the decoder for one prompt as long as this question's. */
  readonly flops: number;
  /** FLOPs of the decoder with all vision tokens. */
  readonly fullFlops: number;
  /**
   * The indices of the vision tokens that a layer saw, found by their original
   * position ids. It must be called before the next question.
   */
  kept(layer: number): Promise<number[]>;
}

/** An image that questions are asked about. */
export interface Conversation extends Disposable {
  /** The number of vision tokens that each layer keeps. */
  readonly schedule: Schedule;
  /**
   * Asks a question as the first of a conversation. Earlier questions and
   * answers are forgotten.
   *
   * @param onText called with the answer as it grows
   */
  ask(question: string, onText?: (text: string) => void): Promise<Answer>;
  /**
   * Asks a question that continues from the last answer. It sees only the
   * vision tokens that the first question left in each layer.
   */
  goOn(question: string, onText?: (text: string) => void): Promise<Answer>;
  /** Frees the image's vision tokens and the conversation's KV cache. */
  [Symbol.dispose](): void;
}

/**
 * Embeds an image.
 *
 * @param loaded the model
 * @param tiles the image as the model sees it
 * @throws {RangeError} the schedule is of another depth than the model
 */
export async function openConversation(
  loaded: AskedModel,
  tiles: readonly RgbImage[],
  {
    schedule: given,
    maxTokens = loaded.maxTokens ?? MAX_TOKENS,
    temperature = 0,
    topP = 1,
    random = createRandom(0).uniform,
    specialTokens = false,
    signal,
    ...reduction
  }: ConversationOptions = {},
): Promise<Conversation> {
  const { model, tokenizer, template, encodeQuestion, stopTokens } = loaded;
  const { backend } = model;
  const shape = modelShape(model.config);
  const N = tiles.length * model.config.visionTokens;
  const full = fullSchedule(shape.layers, N);
  const schedule = given ? scaleSchedule(given, N) : full;
  const costOf = (schedule: Schedule, textTokens: number) => ({
    flops: decoderFlops(shape, schedule, textTokens),
    bytes: kvCacheBytes(shape, schedule, { textTokens, bytesPerElement: 4 }),
  });
  const start = performance.now();
  const visionTokens: Tensor = embedTiles(model, [tiles]);
  await backend.read(visionTokens);
  const vision = performance.now() - start;

  let context: Context | null = null;
  let messages: readonly Message[] = [];
  /** The positions of the vision tokens, as a range of position ids. */
  let span: Span = { start: 0, length: 0 };

  async function answer(
    begin: () => Context,
    onText: (text: string) => void = () => {},
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const start = performance.now();
    const given = begin();
    await backend.read(given.logits);
    const prefill = performance.now() - start;
    const cacheBytes = bytesOf(given);
    const textTokens = given.length - N;
    const { flops } = costOf(schedule, textTokens);
    const { flops: fullFlops, bytes: fullBytes } = costOf(full, textTokens);
    const saved = fullBytes - costOf(schedule, textTokens).bytes;
    // Generation frees the context that it was given, even if it ends early.
    context = null;
    const tokens = generate(model, given, {
      stopTokens,
      maxTokens,
      temperature,
      topP,
      random,
      ...signal && { signal },
    });
    const stream = createTextStream(tokenizer);
    let text = "";
    const say = (more: string): void => {
      text += more;
      if (more !== "") onText(more);
    };
    let count = 0;
    let decode = 0;
    try {
      for (;;) {
        const before = performance.now();
        const next = await tokens.next();
        decode += performance.now() - before;
        if (next.done) {
          context = next.value;
          break;
        }
        count++;
        say(stream.push(next.value));
      }
    } catch (error) {
      await tokens.return(given);
      throw error;
    }
    say(stream.finish());
    const { content: question } = messages.at(-1)!;
    // Templates omit an empty message.
    const content = text.trim() === "" ? "-" : text;
    messages = [...messages, { role: "assistant", content }];
    const { past } = context;
    return {
      question,
      text,
      tokens: count,
      vision,
      prefill,
      decode: count === 0 ? null : decode / count,
      cacheBytes,
      fullCacheBytes: cacheBytes + saved,
      flops,
      fullFlops,
      async kept(layer): Promise<number[]> {
        const positions = await backend.read(past[layer].positions);
        return [...positions].map((position) => position - span.start)
          .filter((token) => token >= 0 && token < span.length);
      },
    };
  }

  function forget(): void {
    if (context) backend.free(contextTensors(context));
    context = null;
  }

  async function ask(
    question: string,
    onText?: (text: string) => void,
  ): Promise<Answer> {
    forget();
    messages = [{ role: "user", content: question, images: 1 }];
    const prompt = encodeQuestion(question, tiles.length, {
      specialTokens,
    });
    span = prompt.vision;
    const numbers = reduction.ranking === "random" ? [0] : undefined;
    return await answer(() =>
      backend.scope(() => {
        const state = embedPrompts(model, visionTokens, [prompt], numbers);
        return prefill(model, state, schedule, reduction);
      }), onText);
  }

  async function goOn(
    question: string,
    onText?: (text: string) => void,
  ): Promise<Answer> {
    if (context === null) return await ask(question, onText);
    const seen = context;
    messages = [...messages, { role: "user", content: question }];
    const ids = encodeTurn(tokenizer, template, messages, {
      specialTokens,
    });
    return await answer(() => {
      const longer = backend.scope(() => extend(model, seen, [ids]).context);
      backend.free(contextTensors(seen));
      return longer;
    }, onText);
  }

  return {
    schedule,
    ask,
    goOn,
    [Symbol.dispose](): void {
      forget();
      backend.free([visionTokens]);
    },
  };
}

/** The bytes of keys and values, which are 32-bit floats. */
function bytesOf({ past }: Context): number {
  const numbers = past.flatMap(({ keys, values }) => [keys, values])
    .map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  return 4 * numbers.reduce((sum, count) => sum + count, 0);
}

/**
 * Decodes an answer token by token. It omits special tokens and leading space.
 * The returned pieces, joined, equal the text of all tokens decoded at once.
 */
export function createTextStream(tokenizer: Tokenizer): TextStream {
  const { push, finish } = tokenizer.stream({ skipSpecial: true });
  let begun = false;
  const give = (text: string): string => {
    const more = begun ? text : text.trimStart();
    begun ||= more !== "";
    return more;
  };
  return {
    push: (id) => give(push(id)),
    finish: () => give(finish()),
  };
}
