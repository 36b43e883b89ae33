/**
 * The output of ask.ts besides the words of an answer: its cost, and the
 * patches that were kept.
 */

import { meanKeepingRate, type RgbImage, type Schedule } from "../core/mod.ts";
import type { Answer } from "../study/conversation.ts";
import type { LoadedModel } from "../study/load.ts";
import { formatBytes } from "../study/memory_plan.ts";
import { type DrawingOptions, drawPatches, gridOf } from "./patches.ts";

/** The answer to one question, with everything that is printed about it. */
export interface ToldAnswer {
  /** The model's answer. */
  readonly answer: Answer;
  /** The number of vision tokens that each layer kept. */
  readonly schedule: Schedule;
  /** The vision tokens kept in one layer, if they are to be shown. */
  readonly shown: {
    readonly layer: number;
    readonly kept: readonly number[];
  } | null;
  /** Reasons why the answer may be meaningless. */
  readonly warnings: readonly string[];
}

/**
 * The layer to draw: the last one that keeps fewer tokens than the layer before
 * it.
 */
export function layerToShow(
  show: number | "last",
  { visionTokens, keep }: Schedule,
): number {
  if (show === "last") {
    const last = keep.findLastIndex((count, layer) =>
      count < (layer === 0 ? visionTokens : keep[layer - 1])
    );
    return last === -1 ? keep.length - 1 : last;
  }
  if (show >= keep.length) {
    throw new RangeError(
      `Cannot use --show as it must be below ${keep.length}, the model's decoder layers: current value is ${show}`,
    );
  }
  return show;
}

/** Formats milliseconds and the bytes of the KV cache in one line. */
export function formatCost(
  { answer }: ToldAnswer,
): string {
  const { vision, prefill, decode, cacheBytes, fullCacheBytes } = answer;
  const times = [
    `vision ${formatTime(vision)}`,
    `prefill ${formatTime(prefill)}`,
    ...(decode === null ? [] : [`decode ${formatTime(decode)} per token`]),
  ];
  const cache = `KV cache ${formatBytes(cacheBytes)}`;
  return [
    ...times,
    fullCacheBytes === cacheBytes
      ? cache
      : `${cache} of ${formatBytes(fullCacheBytes)} with all vision tokens`,
  ].join(", ");
}

function formatTime(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`;
}

/** Draws the picture with the patches that are kept, under a line of text. */
export function formatPatches(
  { model, processor, imageTiles }: LoadedModel,
  picture: RgbImage,
  { schedule, layer, kept }: NonNullable<ToldAnswer["shown"]> & {
    readonly schedule: Schedule;
  },
  options: DrawingOptions,
): string {
  const drawn = drawPatches(model.config, {
    tiles: imageTiles(picture),
    grid: gridOf(picture, processor.framing),
    kept,
  }, options);
  return `Layer ${layer} sees ${kept.length} of ${schedule.visionTokens} vision tokens:\n${drawn}`;
}

/** The JSON object that `--json` prints for an answer. */
export function answerToJson(
  { name, model }: LoadedModel,
  { answer, schedule, shown, warnings }: ToldAnswer,
): Record<string, unknown> {
  const { question, text, tokens, vision, prefill, decode, cacheBytes } =
    answer;
  return {
    model: name,
    device: model.backend.name,
    question,
    answer: text,
    tokens,
    visionTokens: schedule.visionTokens,
    keep: schedule.keep,
    meanKeepingRate: meanKeepingRate(schedule),
    milliseconds: { vision, prefill, decodePerToken: decode },
    kvCacheBytes: cacheBytes,
    ...(shown ? { shown } : {}),
    warnings,
  };
}
