/**
 * The text of `search.ts --help`.
 *
 * This module touches neither files nor the terminal.
 */

import {
  DEFAULT_BUDGETS,
  DEFAULT_COUNTS,
  DEFAULT_EPSILON,
  DEFAULT_EVALUATIONS,
  P_SIGMOID_COUNTS,
  QUICK_EPSILON,
} from "../study/defaults.ts";

/** The text of `--help`. */
export const USAGE: string =
  `tokensieve: how few vision tokens does each layer of a model need?

Usage: deno run -A search.ts [options]

Finds a schedule (vision tokens kept per decoder layer) on calibration
questions, and compares it on held-out questions: in Scenario I with G-Search,
the least that is as good as the full model; in Scenario II with P-Sigmoid, the
best within a budget, beside other methods at the same budget.

  --scenario N         1, 2 or both (default: 1)
  --model DIR          Hugging Face directory of a LLaVA or InternVL model
                       (default: the embedded model, models/tiny)
  --device NAME        where to run it: cpu (WebAssembly SIMD, one worker per
                       core), webgpu, reference (plain loops, slow: what every
                       operation means), or auto: webgpu where the GPU is
                       hardware, else cpu (default: auto)
  --weights TYPE       how the weights of linear layers are stored: f32 as they
                       are, f16, int8 (a scale for each output) or int4 (a
                       scale for 64 inputs); computed with in 32 bits in all
                       cases (default: f32)
  --data FILE          questions about images: VQAv2 (once for the questions and
                       once for the annotations), TextVQA, GQA, POPE, ScienceQA
                       (problems.json#test for its test split), AI2D, MMBench,
                       ChartQA, DocVQA, MME, or a .jsonl file of {"image",
                       "question", "answer"}
  --images DIR         where their images are (default: beside the file)
  --calibration N|FILE questions to search with: so many of --data, at most
                       half of them and about other images than those held out,
                       or of the embedded task; or a file of their own (default:
                       ${DEFAULT_COUNTS.calibration}, with --scenario 2 ${P_SIGMOID_COUNTS.calibration})
  --heldout N|FILE     questions to judge the result on (default: ${DEFAULT_COUNTS.heldout})
  --metric NAME        how generated answers to the latter are judged: vqa,
                       gqa, pope, choice (as MMBench and AI2D), scienceqa,
                       relaxed, anls, mme, exact, none, or auto: as the
                       benchmark does, where answers have several tokens
                       (default: auto)
  --criterion KIND     when a schedule is as good as the full model (default:
                       bound)
                       accuracy  mean accuracy falls by at most epsilon points
                       loss      mean answer loss rises by at most epsilon nats
                       bound     an upper 95 % confidence bound on the fall of
                                 the answer's probability is at most epsilon
                                 points; 0.5 takes 528 questions at least
  --epsilon X          tolerance (default: ${DEFAULT_EPSILON.bound} points for bound,
                       ${DEFAULT_EPSILON.accuracy} points for accuracy, ${DEFAULT_EPSILON.loss} nats for loss)
  --first-layer I      first decoder layer that may be reduced; layers count
                       from 0, and layer 0 never is (default: 3, as in the
                       paper, but a quarter of the layers in a model with fewer
                       than 12; for P-Sigmoid, which searches from there on for
                       it, 1)
  --rank RULE          what vision tokens are ranked by (default: instruction)
                       instruction      attention of all instruction tokens
                       last             of the last token (FastV)
                       raters           of those about the image (SparseVLM)
                       self_cross       of vision tokens times that of
                                        instruction tokens (FitPrune)
                       next             of the last token, in the layer that
                                        reduces (PyramidDrop)
                       random, uniform  at random, evenly over the image
  --positions RULE     position ids of the tokens that stay: original, or
                       reindexed, without gaps (default: original)
  --budget LIST        of Scenario II: mean keeping rates, flops:X as a share of
                       the decoder's prefill FLOPs, kv:X of the KV cache
                       (default: ${DEFAULT_BUDGETS})
  --evaluations N      schedules that P-Sigmoid tries within each budget
                       (default: ${DEFAULT_EVALUATIONS})
  --baselines LIST     what P-Sigmoid is compared with: all, none, or some of
                       fastv, pyramiddrop, vtw, fitprune, sparsevlm, gsearch
                       (rescaled; with --scenario both), constant, psigmoid
                       (ranked at random and evenly) (default: all)
  --seed N             which calibration questions are drawn (default: 0)
  --out DIR            where results go (default: out): schedule.json, of
                       Scenario II schedule-B.json for each budget B, and the
                       trials of all searches in trials.sqlite
  --study NAME         what to call the searches of this run, to find them again
  --list               list the searches of --out, or of --study, and end
  --export FILE        write their trials to a file of JSON Lines, and end
  --quick              few questions, and a tolerance of ${QUICK_EPSILON.bound} points for
                       bound: a first look
  --json               print one JSON object alone; all that is for people goes
                       to standard error
  -h, --help           print this
  --version            print the version

A search that was interrupted (Ctrl-C) or killed goes on where it stood when
started again with the same options; with others its trials stay for later. Two
programs may search in one folder: of equal searches the second waits.
Where nobody reads standard output any more, as in "| head", the search is
interrupted too. Lines are as wide as the terminal, or as COLUMNS says.
Exit codes: 0 done or no reader, 2 wrong use, unreadable input or no room for
output, 130 interrupted. Narrower permissions than -A:
  --allow-read --allow-write=out --allow-env --allow-sys --allow-ffi
`;
