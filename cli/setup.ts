/** The inputs that both scenarios of search.ts share. */

import type { Records } from "../study/records.ts";
import type { Study } from "../study/study.ts";
import type { SettledOptions } from "./options.ts";
import type { Output } from "./output.ts";

/** A study, the user's options, and the output. */
export interface Setup extends Study {
  readonly options: SettledOptions;
  /** The records that hold its trials. */
  readonly records: Records;
  readonly output: Output;
}
