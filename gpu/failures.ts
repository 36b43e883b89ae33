/**
 * What has gone wrong on a GPU. WebGPU tells of errors later, and elsewhere than
 * at the call that made them; here they are gathered, with the kernel they
 * belong to, for the next read to throw.
 *
 * This module is browser compatible.
 */

import { GpuError, type GpuFailure } from "./device.ts";

/** WebGPU's error scopes, and what an error caught by each of them is. */
const SCOPES: readonly (readonly [GPUErrorFilter, GpuFailure])[] = [
  ["validation", "validation"],
  ["out-of-memory", "out-of-memory"],
  ["internal", "internal"],
];

/** Turns what WebGPU says into an error that says where it belongs. */
export type Explain = (
  failure: GpuFailure,
  message: string,
) => GpuError | Promise<GpuError>;

/** The failures of one device. The first one stays: what follows is its doing. */
export class Failures {
  readonly #device: GPUDevice;
  #first: GpuError | null = null;
  /** When all errors of what was watched so far are known. */
  #known: Promise<void> = Promise.resolve();
  readonly #lost: Promise<void>;
  /** The label of the kernel that was recorded last. */
  kernel: string | null = null;

  /** Begins with a device of which nothing is known. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#lost = device.lost.then(({ reason, message }) =>
      this.add(
        new GpuError(
          "lost",
          `Cannot use the GPU any more as its device was lost (${
            reason ?? "unknown"
          }): ${message}`,
          this.kernel,
        ),
      )
    );
  }

  /** Notes a failure. */
  add(error: GpuError): void {
    this.#first ??= error;
  }

  /** Calls `body`, and notes the errors that WebGPU finds in its calls. */
  watch<T>(body: () => T, explain: Explain): T {
    for (const [filter] of SCOPES) this.#device.pushErrorScope(filter);
    try {
      return body();
    } finally {
      const errors = SCOPES.toReversed().map(([, failure]) =>
        [failure, this.#device.popErrorScope()] as const
      );
      const note = async (earlier: Promise<void>): Promise<void> => {
        await earlier; // for the first failure to be noted first
        for (const [failure, pending] of errors) {
          const error = await pending;
          if (error) this.add(await explain(failure, error.message));
        }
      };
      this.#known = note(this.#known).catch(({ message }: Error) =>
        this.add(new GpuError("internal", message, this.kernel))
      );
    }
  }

  /**
   * Waits for a buffer to be mapped, and for the errors of all that was watched
   * so far.
   *
   * @throws {GpuError} the first failure of this device
   */
  async settle(mapping: Promise<void>): Promise<void> {
    let failed = false;
    const mapped = mapping.catch(() => {
      failed = true;
    });
    await Promise.race([Promise.all([mapped, this.#known]), this.#lost]);
    // Errors of earlier calls say why mapping fails; without any it fails
    // because the device was lost, of which we may be told later.
    if (failed && !this.#first) await this.#lost;
    if (this.#first) throw this.#first;
  }
}
