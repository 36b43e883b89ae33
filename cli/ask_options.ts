/**
 * The command line of ask.ts: its options, their checks, and its help.
 *
 * This module touches neither files nor the terminal.
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  type PositionRule,
  type Ranking,
  RANKINGS,
  WEIGHT_TYPES,
  type WeightType,
} from "../core/mod.ts";
import { MAX_TOKENS } from "../study/conversation.ts";
import { DEVICE_CHOICES, type DeviceChoice } from "../study/device.ts";
import {
  ALIASES,
  type Information,
  noSuchOption,
  refuseValues,
  wantedInformation,
} from "./arguments.ts";
import { integer, number, oneOf, text, wrong } from "./values.ts";

/**
 * The source of the picture: a file, or the number of a scene of the embedded
 * task.
 */
export type PictureSource = { readonly file: string } | {
  readonly scene: number;
};

/** The options of ask.ts. */
export interface AskOptions {
  /** Directory of the model, or null for the embedded one. */
  readonly model: string | null;
  /** The device that runs the model. */
  readonly device: DeviceChoice;
  /** How the weights of linear layers are stored. */
  readonly weights: WeightType;
  /** The picture that is asked about. */
  readonly picture: PictureSource;
  /** The file that the scene is written to; null to write none. */
  readonly saveScene: string | null;
  /** The question; null if questions come line by line. */
  readonly question: string | null;
  /** Whether each question continues the conversation of the one before. */
  readonly chat: boolean;
  /**
   * Whether special tokens written out in a question are encoded as special
   * tokens.
   */
  readonly specialTokens: boolean;
  /** A file that search.ts wrote; null to keep all vision tokens. */
  readonly schedule: string | null;
  /**
   * How vision tokens are ranked; null for the ranking of the schedule's file.
   */
  readonly ranking: Ranking | null;
  /**
   * The position ids of the tokens that are kept; null for the rule of the
   * schedule's file.
   */
  readonly positions: PositionRule | null;
  /** The longest answer, in tokens; null for the model's default. */
  readonly maxTokens: number | null;
  /** Sampling temperature; 0 always takes the likeliest token. */
  readonly temperature: number;
  /**
   * Top-p sampling: only the likeliest tokens whose probabilities add up to
   * this.
   */
  readonly topP: number;
  /** Seed of the random numbers that a temperature above 0 uses. */
  readonly seed: number;
  /**
   * The layer whose tokens to draw, or "last" for the last layer that drops
   * tokens; null to draw none.
   */
  readonly show: number | "last" | null;
  /** Whether standard output holds only JSON, one object a line. */
  readonly json: boolean;
}

/** The text of `--help`. */
export const USAGE: string =
  `tokensieve: ask a vision language model about an image

Usage: deno run -A ask.ts [options] [QUESTION]

Answers a question about an image, with all vision tokens or with those that a
schedule keeps, and says what that took. Without QUESTION, each line of standard
input is one.

  --model DIR          Hugging Face directory of a LLaVA-1.5 or InternVL model
                       (default: the embedded model, models/tiny)
  --image FILE         JPEG, PNG, WebP or GIF image of any size
  --scene N            a scene of the embedded model's task instead (default: 0
                       where the model is the embedded one)
  --save-scene FILE    write that scene as a PNG image
  --schedule FILE      schedule.json from search.ts; for an image of another
                       number of vision tokens its keeping rates count
  --rank RULE          what vision tokens are ranked by: instruction, last, …;
                       search.ts --help has all (default: as the schedule says)
  --positions RULE     position ids of tokens that stay: original or reindexed
                       (default: as the schedule says)
  --chat               questions go on from one another; later ones see only the
                       vision tokens that the first one kept
  --special-tokens     special tokens written out in questions count as such, as
                       in InternVL's <ref>dog</ref> (default: they are text)
  --show[=LAYER]       draw the patches that stay in that layer, counted from 0
                       (default: the last that drops some); all others are dots
  --device NAME        cpu, webgpu, reference, or auto: webgpu where the GPU is
                       hardware, else cpu (default: auto)
  --weights TYPE       how the weights of linear layers are stored: f32, f16,
                       int8 or int4 (default: f32)
  --max-tokens N       the longest answer (default: as the model's
                       generation_config.json says, or ${MAX_TOKENS})
  --temperature X      0 takes the likeliest token always (default: 0)
  --top-p X            only the likeliest tokens that together have this
                       probability (default: 1)
  --seed N             of the random numbers where X is above 0 (default: 0)
  --json               print one JSON object for each answer alone; all that is
                       for people goes to standard error
  -h, --help           print this
  --version            print the version

Where nobody reads standard output any more, as in "| head", the program ends.
Lines are as wide as the terminal, or as COLUMNS says.
Exit codes: 0 done or no reader, 2 wrong use, unreadable input or no room for
output, 130 interrupted. Narrower permissions than -A:
  --allow-read --allow-env --allow-sys --allow-ffi
  and with --save-scene --allow-write
`;

const STRINGS = [
  "model",
  "device",
  "weights",
  "image",
  "scene",
  "save-scene",
  "schedule",
  "rank",
  "positions",
  "max-tokens",
  "temperature",
  "top-p",
  "seed",
] as const;
const FLAGS = [
  "chat",
  "special-tokens",
  "show",
  "json",
  "help",
  "version",
] as const;
const NAMES = { strings: STRINGS, flags: FLAGS };

/**
 * Reads the command line.
 *
 * @returns the options, or the text that the user asks for instead of answers
 * @throws {RangeError} an option is unknown or has an invalid value
 */
export function parseAskOptions(
  args: readonly string[],
): AskOptions | Information {
  const { show, rest } = takeShow(args);
  refuseValues(rest, NAMES);
  const values = parseArgs(rest, {
    string: [...STRINGS, "_"],
    boolean: FLAGS,
    alias: ALIASES,
    unknown: (arg: string, key?: string) =>
      key === undefined || noSuchOption(arg, NAMES),
  });
  const information = wantedInformation(values);
  if (information !== null) return information;
  // A question that was not quoted arrives as several words.
  const question = values._.join(" ").trim();
  if (question === "" && values._.length > 0) {
    throw new RangeError("Cannot answer an empty question");
  }

  const model = values.model === undefined ? null : text("model", values.model);
  const optional = <T>(
    value: string | undefined,
    parse: (value: string) => T,
  ): T | null => value === undefined ? null : parse(value);
  return {
    model,
    device: oneOf("device", values.device ?? "auto", DEVICE_CHOICES),
    weights: oneOf("weights", values.weights ?? "f32", WEIGHT_TYPES),
    picture: picture(model, values),
    saveScene: optional(
      values["save-scene"],
      (value) => text("save-scene", value),
    ),
    question: question || null,
    chat: values.chat,
    specialTokens: values["special-tokens"],
    schedule: optional(values.schedule, (value) => text("schedule", value)),
    ranking: optional(values.rank, (value) => oneOf("rank", value, RANKINGS)),
    positions: optional(
      values.positions,
      (value) => oneOf("positions", value, ["original", "reindexed"]),
    ),
    maxTokens: optional(
      values["max-tokens"],
      (value) => integer("max-tokens", value, 1),
    ),
    temperature: number("temperature", values.temperature ?? "0"),
    topP: probability(values["top-p"] ?? "1"),
    seed: integer("seed", values.seed ?? "0", 0),
    show: optional(show, (layer) => integer("show", layer, 0)) ??
      (values.show ? "last" : null),
    json: values.json,
  };
}

/**
 * Takes the layer of `--show=LAYER` out of the arguments. If the option took a
 * value, a question after a bare `--show` would be read as that value.
 */
function takeShow(
  args: readonly string[],
): { readonly show: string | undefined; readonly rest: string[] } {
  const end = args.indexOf("--");
  const isShow = (arg: string, i: number): boolean =>
    arg.startsWith("--show=") && (end === -1 || i < end);
  return {
    show: args.findLast(isShow)?.slice("--show=".length),
    rest: args.filter((arg, i) => !isShow(arg, i)),
  };
}

function picture(
  model: string | null,
  { image, scene, "save-scene": saved }: {
    readonly image?: string | undefined;
    readonly scene?: string | undefined;
    readonly "save-scene"?: string | undefined;
  },
): PictureSource {
  if (image !== undefined && scene !== undefined) {
    throw new RangeError(
      "Cannot use --scene beside --image as a question is about one of them",
    );
  }
  if (image !== undefined && saved !== undefined) {
    throw new RangeError(
      "Cannot use --save-scene beside --image as no scene is asked about",
    );
  }
  if (image !== undefined) return { file: text("image", image) };
  if (scene === undefined && model !== null) {
    throw new RangeError(
      `Cannot ask ${model} without an image: give --image FILE`,
    );
  }
  return { scene: integer("scene", scene ?? "0", 0) };
}

function probability(value: string): number {
  const x = number("top-p", value);
  if (x === 0 || x > 1) throw wrong("top-p", "in (0, 1]", value);
  return x;
}
