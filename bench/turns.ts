/**
 * Contestants in this process and in others take turns at the same work, so that
 * other load on the machine affects all alike.
 */

import { assertClose, type Tolerance } from "../tests/_compare.ts";
import { type LinePeer, startPeer } from "./line_peer.ts";
import { measureRun, type Prepared, type Work } from "./peers/kernels/work.ts";

/** The clock that is read. */
export type Clock = "processor" | "wall";

/** A contestant with its work: runs it a number of times, returns seconds. */
export interface Runner {
  readonly name: string;
  run(times: number): Promise<number>;
}

/** A contestant in this process. */
export function runHere(
  name: string,
  prepared: Pick<Prepared, "run">,
  clock: Clock,
): Runner {
  return {
    name,
    run: async (times) => (await measureRun(prepared, times))[clock],
  };
}

/** A library in a process of its own; see peers/kernels/run.ts. */
export interface Peer {
  readonly name: string;
  readonly process: LinePeer;
}

/**
 * Starts a library.
 *
 * @throws {Error} it does not start
 */
export async function startLibrary(argument: string): Promise<Peer> {
  const program = new URL("peers/kernels/run.ts", import.meta.url).pathname;
  const process = startPeer(Deno.execPath(), ["run", "-A", program, argument]);
  const hello = await process.receive<{ name: string } | { error: string }>();
  if ("error" in hello) throw new Error(hello.error);
  return { name: hello.name, process };
}

/** The numbers that a peer's are compared with, and the clock. */
export interface Terms {
  /** Our numbers. */
  readonly ours: ArrayLike<number>;
  readonly tolerance: Tolerance;
  readonly clock: Clock;
}

/**
 * Gives work to a peer.
 *
 * @throws {Error} it fails, or its numbers differ from ours
 */
export async function runThere(
  { name, process }: Peer,
  work: Work,
  { ours, tolerance, clock }: Terms,
): Promise<Runner> {
  await process.send(work);
  const answer = await process.receive<
    { numbers: number[] } | { error: string }
  >();
  if ("error" in answer) throw new Error(answer.error);
  const { numbers } = answer;
  assertClose(numbers, Array.from(ours).slice(0, numbers.length), tolerance);
  return {
    name,
    async run(times) {
      await process.send({ times });
      return (await process.receive<Record<Clock, number>>())[clock];
    },
  };
}

/** How contestants take turns. */
export interface TurnOptions {
  readonly rounds: number;
  /** Aimed length of one measurement, in seconds. */
  readonly duration: number;
  /** Runs to warm up. */
  readonly warmUps: number;
}

/**
 * The number of runs in a measurement. A single run says little where waiting for
 * a GPU takes longer than the work.
 */
async function timesFor(runner: Runner, duration: number): Promise<number> {
  let times = 1;
  for (;;) {
    const seconds = await runner.run(times);
    const missing = duration / seconds;
    if (missing < 2) return Math.max(1, Math.round(times * missing));
    times = Math.ceil(times * Math.min(missing, 8));
  }
}

/** Seconds of a single run, for each runner in each round. */
export async function takeTurns(
  runners: readonly Runner[],
  { rounds, duration, warmUps }: TurnOptions,
): Promise<number[][]> {
  const times: number[] = [];
  for (const runner of runners) {
    for (let i = 0; i < warmUps; i++) await runner.run(1);
    times.push(await timesFor(runner, duration));
  }
  const seconds: number[][] = runners.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, runner] of runners.entries()) {
      seconds[i].push(await runner.run(times[i]) / times[i]);
    }
  }
  return seconds;
}

/** The median of the rounds. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1];
/** The best round, with the least disturbance. */
export const least = (values: readonly number[]): number => Math.min(...values);
