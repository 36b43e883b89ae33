/**
 * Serves the repository to pages. Of TypeScript nothing but the types is taken
 * out, so that modules, workers and fixtures lie where they lie in the
 * repository, and errors tell the right lines.
 */

import { stripTypeScriptTypes } from "node:module";

const ROOT = new URL("../../", import.meta.url);

/** Packages that tests import, by their names in deno.json. */
const PACKAGES = ["@huggingface/tokenizers", "@std/assert", "fast-check"];

/** Where pages find the packages. */
const IMPORTS = Object.fromEntries(
  PACKAGES.map((name) => [name, `/packages/${name}.js`]),
);

const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>tokensieve</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
`;

/** Serves until it is disposed; `origin` is where. */
export async function serveRepository(): Promise<
  AsyncDisposable & { readonly origin: string }
> {
  const packages = new Map<string, string>();
  for (const name of PACKAGES) packages.set(IMPORTS[name], await bundle(name));

  async function answer({ url }: Request): Promise<Response> {
    const { pathname } = new URL(url);
    if (pathname === "/") return respond("html", PAGE);
    const code = packages.get(pathname);
    if (code !== undefined) return respond("javascript", code);
    const file = new URL(`.${pathname}`, ROOT);
    const bytes = await Deno.readFile(file).catch(() => null);
    if (bytes === null) return new Response(null, { status: 404 });
    const text = new TextDecoder().decode(bytes);
    if (pathname.endsWith(".json")) return respond("json", text);
    if (!pathname.endsWith(".ts")) return new Response(bytes);
    return respond("javascript", stripTypeScriptTypes(text));
  }

  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, answer);
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function respond(type: "html" | "javascript" | "json", text: string): Response {
  return new Response(text, { headers: { "content-type": `text/${type}` } });
}

/** A package with all that it imports, as one module. */
async function bundle(name: string): Promise<string> {
  const specifier = import.meta.resolve(name);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", specifier],
  }).output();
  const [code, log] = [stdout, stderr].map((x) => new TextDecoder().decode(x));
  if (!success) throw new Error(`Cannot bundle ${name}: ${log}`);
  return code;
}
