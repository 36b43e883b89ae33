/** A device that takes everything and computes nothing. */

/** WebGPU's default limits, as far as this project asks for them. */
const LIMITS = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeWorkgroupStorageSize: 2 ** 14,
  maxComputeInvocationsPerWorkgroup: 256,
  minUniformBufferOffsetAlignment: 256,
};

/**
 * Makes a device of a name on which backends can be made, and tensors uploaded.
 * Nothing can be read from it.
 */
export function createIdleDevice(description: string): GPUDevice {
  let lose: (info: Pick<GPUDeviceLostInfo, "reason" | "message">) => void;
  const lost = new Promise((resolve) => lose = resolve);
  const device = {
    adapterInfo: { description },
    features: new Set<string>(),
    limits: LIMITS,
    lost,
    queue: { writeBuffer: () => {}, submit: () => {} },
    createBuffer: ({ size, usage }: GPUBufferDescriptor) => ({
      size,
      usage,
      destroy: () => {},
    }),
    pushErrorScope: () => {},
    popErrorScope: () => Promise.resolve(null),
    destroy: () => lose({ reason: "destroyed", message: "" }),
  };
  return device as unknown as GPUDevice;
}
