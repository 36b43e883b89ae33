/**
 * What both scenarios of search.ts work with.
 */

import type { Study } from "../study/study.ts";
import type { SettledOptions } from "./options.ts";
import type { Output } from "./output.ts";

/** A study, what the user wants of it, and where all of it is told. */
export interface Setup extends Study {
  readonly options: SettledOptions;
  readonly output: Output;
}
