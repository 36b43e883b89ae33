/**
 * Errors of the GPU. WebGPU reports an error later than the call that caused
 * it. `Failures` collects these reports and names the kernel; the next read
 * throws the first one.
 *
 * This module is browser compatible.
 */

/** The kind of an error. */
export type GpuFailure =
  | "unavailable"
  | "compilation"
  | "validation"
  | "out-of-memory"
  | "internal"
  | "lost";

/** The only error class of the GPU backend. */
export class GpuError extends Error {
  /** Always "GpuError". */
  override readonly name = "GpuError";
  /** The kind of the error. */
  readonly failure: GpuFailure;
  /** The label of the kernel that failed, or of the last one before. */
  readonly kernel: string | null;

  /** Makes an error, of a kernel where one is known. */
  constructor(
    failure: GpuFailure,
    message: string,
    kernel: string | null = null,
  ) {
    super(message);
    this.failure = failure;
    this.kernel = kernel;
  }
}

/** WebGPU's error scopes, which are also the kinds of errors they catch. */
const FILTERS = ["validation", "out-of-memory", "internal"] as const;

/** Turns a report of WebGPU into an error that names its cause. */
export type Explain = (
  failure: GpuFailure,
  message: string,
) => GpuError | Promise<GpuError>;

/** The failures of one device. The first is kept, as it causes the others. */
export class Failures {
  readonly #device: GPUDevice;
  #first: GpuError | null = null;
  /** Resolves when the errors of all watched calls are known. */
  #known: Promise<void> = Promise.resolve();
  readonly #lost: Promise<void>;
  /** The label of the kernel that was recorded last. */
  kernel: string | null = null;

  /** Starts without failures, and waits for the loss of the device. */
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

  /** Adds a failure. */
  add(error: GpuError): void {
    this.#first ??= error;
  }

  /** Calls `body` and adds the errors that WebGPU reports for its calls. */
  watch<T>(body: () => T, explain: Explain): T {
    for (const filter of FILTERS) this.#device.pushErrorScope(filter);
    try {
      return body();
    } finally {
      const errors = FILTERS.toReversed().map((failure) =>
        [failure, this.#device.popErrorScope()] as const
      );
      const addErrors = async (earlier: Promise<void>): Promise<void> => {
        await earlier; // so that failures are added in the order of the calls
        for (const [failure, pending] of errors) {
          const error = await pending;
          if (error) this.add(await explain(failure, error.message));
        }
      };
      this.#known = addErrors(this.#known).catch(({ message }: Error) =>
        this.add(new GpuError("internal", message, this.kernel))
      );
    }
  }

  /**
   * Waits until a buffer is mapped and the errors of all watched calls are
   * known.
   *
   * @throws {GpuError} the first failure of this device
   */
  async settle(mapping: Promise<void>): Promise<void> {
    let failed = false;
    const mapped = mapping.catch(() => {
      failed = true;
    });
    await Promise.race([Promise.all([mapped, this.#known]), this.#lost]);
    // Mapping fails after an earlier error or because the device is lost.
    // WebGPU may report the loss later.
    if (failed && !this.#first) await this.#lost;
    if (this.#first) throw this.#first;
  }
}
