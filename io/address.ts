// Files behind an address, read range by range where the server supports that.

import { bytesInMemory, type ByteSource } from "../core/checkpoints/bytes.ts";

/**
 * Bytes of the first request: most files of a model's folder fit, apart from the
 * weights.
 */
const FIRST = 2 ** 16;

/**
 * Files of up to this many bytes are fetched whole, because a request for each of
 * their tensors would take longer.
 */
const WHOLE = 2 ** 25;

/** Milliseconds before each further attempt, after an error of server or network. */
const PAUSES: readonly number[] = [250, 1000, 4000];

/**
 * Opens a file behind an address.
 *
 * Servers without ranges send the whole file, which is then held in memory.
 *
 * @param url The address.
 * @returns The bytes; null where the server has no such file.
 * @throws {Error} If the server cannot be reached or refuses.
 */
export async function openAddress(url: URL): Promise<ByteSource | null> {
  const answer = await request(url, { start: 0, end: FIRST - 1 });
  switch (answer.status) {
    case 404:
    case 410:
      await answer.body?.cancel();
      return null;
    case 416:
      // The file is empty.
      await answer.body?.cancel();
      return bytesInMemory(new Uint8Array(0));
    case 200:
      return bytesInMemory(await bytesOf(answer, url));
    case 206: {
      const first = await bytesOf(answer, url);
      const length = first.length < FIRST
        ? first.length
        : await lengthOf(answer, url);
      return await remainder(url, first, length);
    }
    default:
      await answer.body?.cancel();
      throw refused(url, answer);
  }
}

/** A file whose first bytes have been read. */
async function remainder(
  url: URL,
  first: Uint8Array,
  length: number,
): Promise<ByteSource> {
  if (length === first.length) return bytesInMemory(first);
  if (length <= WHOLE) {
    const bytes = new Uint8Array(length);
    bytes.set(first);
    const rest = length - first.length;
    bytes.set(await readRange(url, first.length, rest), first.length);
    return bytesInMemory(bytes);
  }
  return {
    length,
    read: (offset, length) => readRange(url, offset, length),
  };
}

async function readRange(
  url: URL,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0);
  const answer = await request(url, {
    start: offset,
    end: offset + length - 1,
  });
  if (answer.status !== 206) {
    await answer.body?.cancel();
    throw refused(url, answer);
  }
  const bytes = await bytesOf(answer, url);
  if (bytes.length !== length) {
    throw new Error(
      `Cannot read ${url.href} as its server must send ${length} bytes from byte ${offset} on: current number is ${bytes.length}`,
    );
  }
  return bytes;
}

/**
 * The length of a whole file. A page of another origin sees `Content-Length`
 * always, and `Content-Range` only where the server allows it.
 */
async function lengthOf(answer: Response, url: URL): Promise<number> {
  const total = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "");
  if (total) return Number(total[1]);
  const head = await request(url, null);
  const length = head.headers.get("content-length");
  const encoded = head.headers.has("content-encoding");
  if (head.ok && !encoded && length !== null && /^\d+$/.test(length)) {
    return Number(length);
  }
  throw new Error(
    `Cannot read ${url.href} as its server does not tell its length`,
  );
}

/** Requests a range; with null only the headers. */
async function request(
  url: URL,
  range: { readonly start: number; readonly end: number } | null,
): Promise<Response> {
  const init: RequestInit = {
    method: range ? "GET" : "HEAD",
    headers: {
      // Some servers answer with a page for a missing file if they may.
      accept: "application/json, application/octet-stream, text/plain",
      ...range && { range: `bytes=${range.start}-${range.end}` },
    },
  };
  for (let tries = 0;; tries++) {
    const last = tries === PAUSES.length;
    try {
      const answer = await fetch(url, init);
      if (answer.status < 500 || last) return answer;
      await answer.body?.cancel();
    } catch (error) {
      if (last) throw unreachable(url, error);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSES[tries]));
  }
}

async function bytesOf(answer: Response, url: URL): Promise<Uint8Array> {
  try {
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw unreachable(url, error);
  }
}

function refused(url: URL, { status, statusText }: Response): Error {
  return new Error(
    `Cannot read ${url.href} as its server answers ${
      `${status} ${statusText}`.trim()
    }`,
  );
}

function unreachable(url: URL, cause: unknown): Error {
  return new Error(
    `Cannot read ${url.href} as its server cannot be reached: ${
      (cause as Error).message
    }`,
    { cause },
  );
}
