/**
 * Questions about one image, answered token by token.
 */

import {
  type Context,
  contextTensors,
  embedPrompts,
  embedTiles,
  extend,
  generate,
  prefill,
  type ReductionOptions,
  type RgbImage,
  type SamplingOptions,
  type Schedule,
  type Span,
  type Tensor,
} from "../core/mod.ts";
import { encodeTurn, type Message } from "../io/mod.ts";
import type { LoadedModel } from "./load.ts";
import { createTextStream } from "./text_stream.ts";

/** How questions are answered. */
export interface ConversationOptions extends ReductionOptions, SamplingOptions {
  /** How many vision tokens each layer keeps, of those that the tiles have. */
  readonly schedule: Schedule;
  /** The longest answer. */
  readonly maxTokens: number;
}

/** An answer and what it took. */
export interface Answer {
  /** What was asked. */
  readonly question: string;
  /** What the model said. */
  readonly text: string;
  /** Tokens of it. */
  readonly tokens: number;
  /** Milliseconds until its first token was known. */
  readonly prefill: number;
  /** Milliseconds for each further token; null where there was none. */
  readonly decode: number | null;
  /** Bytes of keys and values before the answer. */
  readonly cacheBytes: number;
  /**
   * Numbers of the vision tokens that a layer has seen, as original position ids
   * tell. To be called before the next question.
   */
  kept(layer: number): Promise<number[]>;
}

/** An image that questions are asked about. */
export interface Conversation {
  /** Milliseconds from pixels to vision tokens. */
  readonly vision: number;
  /**
   * Asks a question as the first one. What was said before is forgotten.
   *
   * @param onText called with the answer as it grows
   */
  ask(question: string, onText: (text: string) => void): Promise<Answer>;
  /**
   * Asks a question that goes on from the last answer. It sees the vision tokens
   * that the first question left in each layer, and no others.
   */
  goOn(question: string, onText: (text: string) => void): Promise<Answer>;
}

/** Embeds an image. What is made for it lives as long as the program. */
export async function openConversation(
  loaded: LoadedModel,
  tiles: readonly RgbImage[],
  { schedule, maxTokens, temperature = 0, topP = 1, random, ...reduction }:
    ConversationOptions,
): Promise<Conversation> {
  const { model, tokenizer, template, encodeQuestion, stopTokens } = loaded;
  const { backend } = model;
  const start = performance.now();
  const visionTokens: Tensor = embedTiles(model, [tiles]);
  await backend.read(visionTokens);
  const vision = performance.now() - start;

  let context: Context | null = null;
  let messages: readonly Message[] = [];
  /** Where vision tokens stand, by their position ids. */
  let span: Span = { start: 0, length: 0 };

  async function answer(
    begin: () => Context,
    onText: (text: string) => void,
  ): Promise<Answer> {
    const start = performance.now();
    const given = begin();
    await backend.read(given.logits);
    const prefill = performance.now() - start;
    const cacheBytes = bytesOf(given);
    const tokens = generate(model, given, {
      ...{ stopTokens, maxTokens, temperature, topP },
      ...(random ? { random } : {}),
    });
    const stream = createTextStream(tokenizer);
    let text = "";
    const say = (more: string): void => {
      text += more;
      if (more !== "") onText(more);
    };
    let count = 0;
    let decode = 0;
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
    say(stream.finish());
    const { content: question } = messages.at(-1)!;
    // Templates leave out a message that is empty.
    const content = text.trim() === "" ? "-" : text;
    messages = [...messages, { role: "assistant", content }];
    const { past } = context;
    return {
      ...{ question, text, tokens: count, prefill, cacheBytes },
      decode: count === 0 ? null : decode / count,
      async kept(layer): Promise<number[]> {
        const positions = await backend.read(past[layer].positions);
        return [...positions].map((position) => position - span.start)
          .filter((token) => token >= 0 && token < span.length);
      },
    };
  }

  async function ask(
    question: string,
    onText: (text: string) => void,
  ): Promise<Answer> {
    if (context) backend.free(contextTensors(context));
    messages = [{ role: "user", content: question, images: 1 }];
    const prompt = encodeQuestion(question, tiles.length);
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
    onText: (text: string) => void,
  ): Promise<Answer> {
    if (context === null) return await ask(question, onText);
    const seen = context;
    messages = [...messages, { role: "user", content: question }];
    const ids = encodeTurn(tokenizer, template, messages);
    return await answer(() => {
      const longer = backend.scope(() => extend(model, seen, [ids]).context);
      backend.free(contextTensors(seen));
      return longer;
    }, onText);
  }

  return { vision, ask, goOn };
}

/** Bytes of keys and values, which are 32-bit floats. */
function bytesOf({ past }: Context): number {
  const numbers = past.flatMap(({ keys, values }) => [keys, values])
    .map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  return 4 * numbers.reduce((sum, count) => sum + count, 0);
}
