// The places of a model's files: a folder of this machine, a folder behind an
// address, or files that a browser's user picked. One interface reads all of
// them, range by range.

import type { ByteSource } from "../core/checkpoints/bytes.ts";
import { openAddress } from "./address.ts";
import { builtin } from "./builtin.ts";
import { decodeText, openFileIfAny, parseJson } from "./files.ts";

/** Files by name. */
export interface Folder {
  /** Its name in errors, such as its path or address. */
  readonly label: string;
  /**
   * Opens a file.
   *
   * @param name Its name, without folders.
   * @returns Its bytes; null where there is no file of that name.
   * @throws {Error} If the place does not answer.
   */
  open(name: string): Promise<ByteSource | null>;
}

/**
 * A folder of files:
 * - a path of this machine (Deno, Node, Bun),
 * - an address of a folder, as a URL or as text that begins with `https:`,
 *   `http:` or `file:`,
 * - a browser's `File`s, as `<input type="file" webkitdirectory>` gives them,
 * - any other object that opens files by name.
 */
export type Place = string | URL | Iterable<File> | Folder;

/**
 * Opens a folder. Nothing is read yet.
 *
 * @param place Where it is.
 * @returns The folder.
 * @throws {TypeError} If the place is none of these.
 */
export function openFolder(place: Place): Folder {
  if (typeof place === "string") {
    return /^(https?|file):/.test(place)
      ? folderAt(new URL(place))
      : folderOfPath(place);
  }
  if (place instanceof URL) return folderAt(place);
  if (Symbol.iterator in place) return folderOfFiles([...place]);
  if (typeof place.open === "function") return place;
  throw new TypeError(
    "Cannot open a folder as it must be a path, an address or a list of files",
  );
}

function folderOfPath(path: string): Folder {
  return {
    label: path,
    open: (name) => openFileIfAny(`${path}/${name}`),
  };
}

function folderAt(url: URL): Folder {
  switch (url.protocol) {
    case "file:":
      return folderOfPath(pathOf(url));
    case "http:":
    case "https:": {
      // A relative name replaces the part after the last slash.
      const base = new URL(url);
      if (!base.pathname.endsWith("/")) base.pathname += "/";
      return {
        label: base.href.replace(/\/$/, ""),
        open(name): Promise<ByteSource | null> {
          const file = new URL(encodeURIComponent(name), base);
          // Some servers put a signature into the query.
          file.search = base.search;
          return openAddress(file);
        },
      };
    }
    default:
      throw new TypeError(
        `Cannot open ${url.href} as its protocol must be https:, http: or file:`,
      );
  }
}

/** The path of a `file:` URL, without a slash before the drive of Windows. */
function pathOf(url: URL): string {
  const { fileURLToPath } = builtin<{ fileURLToPath(url: URL): string }>(
    "node:url",
  );
  return fileURLToPath(url).replace(/[/\\]$/, "");
}

/** A folder of files: the outermost folder that holds a config.json. */
function folderOfFiles(files: readonly File[]): Folder {
  const paths = new Map(files.map((file) => [relativePath(file), file]));
  const depth = (path: string): number => path.split("/").length;
  const [config] = [...paths.keys()]
    .filter((path) => path.split("/").at(-1) === "config.json")
    .sort((a, b) => depth(a) - depth(b));
  const root = config?.slice(0, -"config.json".length) ?? "";
  return {
    label: root.replace(/\/$/, "") || "the chosen files",
    open(name): Promise<ByteSource | null> {
      const file = paths.get(root + name);
      return Promise.resolve(file ? openBlob(file) : null);
    },
  };
}

/** Browsers give the path below the folder that was picked. */
function relativePath(file: File): string {
  return (file as { readonly webkitRelativePath?: string })
    .webkitRelativePath || file.name;
}

function openBlob(blob: Blob): ByteSource {
  return {
    length: blob.size,
    async read(offset, length): Promise<Uint8Array> {
      const range = blob.slice(offset, offset + length);
      return new Uint8Array(await range.arrayBuffer());
    },
  };
}

/**
 * Reads a whole text file of a folder.
 *
 * @param folder The folder.
 * @param name The file.
 * @returns Its text, without a byte order mark; null where there is no such file.
 * @throws {Error} If it cannot be read.
 * @throws {SyntaxError} If it is not UTF-8.
 */
export async function readTextIn(
  folder: Folder,
  name: string,
): Promise<string | null> {
  const file = await folder.open(name);
  if (file === null) return null;
  return decodeText(await file.read(0, file.length), `${folder.label}/${name}`);
}

/** A JSON file that has been read. */
export interface JsonFile {
  /** The name of the file in errors. */
  readonly path: string;
  /** The value, unchecked. */
  readonly json: unknown;
}

/**
 * Reads a JSON file of a folder.
 *
 * @param folder The folder.
 * @param name The file.
 * @returns Its content; null where there is no such file.
 * @throws {Error} If it cannot be read.
 * @throws {SyntaxError} If it is not JSON in UTF-8.
 */
export async function readJsonIn(
  folder: Folder,
  name: string,
): Promise<JsonFile | null> {
  const path = `${folder.label}/${name}`;
  const text = await readTextIn(folder, name);
  return text === null ? null : { path, json: parseJson(text, path) };
}

/**
 * Reads a file that a folder must hold.
 *
 * @param folder The folder.
 * @param name The file.
 * @param read Reads it.
 * @returns The result of `read`.
 * @throws {Error} If there is no such file.
 */
export async function required<T>(
  folder: Folder,
  name: string,
  read: (folder: Folder, name: string) => Promise<T | null>,
): Promise<T> {
  const found = await read(folder, name);
  if (found !== null) return found;
  throw new Error(
    `Cannot read ${folder.label}/${name} as there is no such file`,
  );
}
