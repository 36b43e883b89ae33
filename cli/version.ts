/**
 * What `--version` prints. It is read as the program is, from a file or an
 * address.
 */

import config from "../deno.json" with { type: "json" };

/** The name and the version. */
export const VERSION: string = `tokensieve ${config.version}`;
