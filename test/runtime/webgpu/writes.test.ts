import { beforeAll } from "vitest";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { writesAgree } from "../agreement/writes.ts";
import { openGpu } from "./gpu.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});

writesAgree(() => device, 24);
