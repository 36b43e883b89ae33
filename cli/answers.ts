/**
 * What ask.ts prints besides the answer's words: what the answer took, and which
 * patches were kept.
 */

import { meanKeepingRate, type RgbImage, type Schedule } from "../core/mod.ts";
import type { Answer } from "../study/conversation.ts";
import type { LoadedModel } from "../study/load.ts";
import { formatBytes } from "../study/memory_plan.ts";
import { type DrawingOptions, drawPatches, gridOf } from "./patches.ts";

/** One question's answer, and all that is told of it. */
export interface ToldAnswer {
  /** What was said. */
  readonly answer: Answer;
  /** How many vision tokens each layer kept. */
  readonly schedule: Schedule;
  /** The kept vision tokens of one layer, where they are to be shown. */
  readonly shown: {
    readonly layer: number;
    readonly kept: readonly number[];
  } | null;
  /** Why the answer may mean nothing. */
  readonly warnings: readonly string[];
}

/** The layer to draw: the last one that keeps fewer tokens than that before. */
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

/** One line: milliseconds, and bytes of the KV cache. */
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

/** The picture with the patches that are kept, and a line above it. */
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

/** What `--json` prints for an answer. */
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
