/**
 * From `--device` to the backend that runs the model.
 */

import type { Device } from "../eval/mod.ts";

/** What `--device` may say. */
export const DEVICE_CHOICES = ["auto", "cpu", "webgpu", "reference"] as const;

/** A value of `--device`. */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/**
 * Settles where to run.
 *
 * @throws {RangeError} this version does not run there
 */
export function chooseDevice(choice: DeviceChoice): Device {
  switch (choice) {
    // Here a WebGPU backend goes before "cpu", where the adapter is hardware.
    case "auto":
      return "cpu";
    case "webgpu":
      throw new RangeError(
        "Cannot use --device webgpu as this version has no WebGPU backend: use cpu",
      );
    default:
      return choice;
  }
}
