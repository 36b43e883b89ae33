/** Serves files of this machine, as a package server or a page's host does. */

import { extname } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".ts": "text/typescript",
};

/** Serves a folder until it is disposed; `origin` is where. */
export function serveFolder(
  folder: string,
): AsyncDisposable & { readonly origin: string } {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, async ({ url }) => {
    const { pathname } = new URL(url);
    const bytes = await Deno.readFile(folder + pathname).catch(() => null);
    const type = TYPES[extname(pathname)] ?? "application/octet-stream";
    return bytes === null
      ? new Response(null, { status: 404 })
      : new Response(bytes, { headers: { "content-type": type } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
