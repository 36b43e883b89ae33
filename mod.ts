/**
 * tokensieve: how few vision tokens each layer of a multimodal LLM needs. The
 * forward pass of LLaVA and InternVL written from scratch, G-Search and
 * P-Sigmoid on top of it, and a small trained model and task to see it work
 * (reference implementation of arXiv 2412.00556).
 *
 * The parts can be imported alone: `@tokensieve/tokensieve/core` (the
 * transformer), `/cpu` and `/gpu` (what it runs on), `/search` (the searches,
 * other methods at the same budget, cost model, statistics), `/optim` (Bayesian
 * optimisation), `/eval` (model × data × schedule → score), `/io` (Hugging Face
 * directories, images, tokenizers, data sets), `/study` (a model, its device and
 * its questions, ready to run), `/report` (tables and bars for a terminal).
 *
 * @example What a schedule costs on LLaVA-1.5-7B
 * ```ts
 * import {
 *   fastvSchedule,
 *   prefillFlops,
 *   publishedModels,
 * } from "@tokensieve/tokensieve";
 *
 * const model = publishedModels["LLaVA-1.5-7B"];
 * const schedule = fastvSchedule({
 *   layers: model.layers,
 *   visionTokens: 576,
 *   layer: 2,
 *   keepRate: 0.5,
 * });
 * console.log((prefillFlops(model, schedule, 72) / 1e12).toFixed(2)); // 5.47 (paper: 5.49)
 * ```
 *
 * @module
 */

export * from "./core/mod.ts";
export * from "./eval/mod.ts";
export * from "./search/mod.ts";
export * from "./study/mod.ts";
