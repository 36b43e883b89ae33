/**
 * A peer: a program that takes commands and answers in JSON, one value a line, on
 * its standard input and output. So it can take turns with our code.
 */

/** A running peer. */
export interface LinePeer extends Disposable {
  /** Sends it a value. */
  send(value: unknown): Promise<void>;
  /**
   * Receives its next value.
   *
   * @throws {Error} it has ended
   */
  receive<T>(): Promise<T>;
}

/** Starts a peer; what it writes to standard error is shown. */
export function startPeer(program: string, args: string[]): LinePeer {
  const process = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = process.stdin.getWriter();
  const lines = linesOf(process.stdout);
  return {
    send: (value) =>
      input.write(new TextEncoder().encode(JSON.stringify(value) + "\n")),
    async receive() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`Cannot go on as ${program} has ended`);
      return JSON.parse(value);
    },
    [Symbol.dispose]: () => process.kill(),
  };
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
