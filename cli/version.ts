/**
 * The text of `--version`. The version is read from the place of the program: a
 * file or an address.
 */

import config from "../deno.json" with { type: "json" };

/** The name and the version. */
export const VERSION: string = `tokensieve ${config.version}`;
