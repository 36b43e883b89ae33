/**
 * What both scenarios of search.ts work with.
 */

import type { Records } from "../study/records.ts";
import type { Study } from "../study/study.ts";
import type { SettledOptions } from "./options.ts";
import type { Output } from "./output.ts";

/** A study, what the user wants of it, and where all of it is told. */
export interface Setup extends Study {
  readonly options: SettledOptions;
  /** Where its trials are. */
  readonly records: Records;
  readonly output: Output;
}
