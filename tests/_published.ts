/** Schedules that the paper shows in figures. */

/**
 * G-Search's keeping rates of LLaVA-1.5-7B, shape [32]; from layer 3 on read off
 * the paper's figure, to ±.003.
 */
export const LLAVA_G_SEARCH_RATES: readonly number[] = [
  ...[1, 1, 1],
  ...[.648, .640, .619, .619, .619, .500, .500, .498, .498, .487],
  ...[.236, .236, .236, .236, .183, .181, .181, .078, .075, .073],
  ...[.070, .070, .070, .059, .041, .041, .038, .033, .031],
];
