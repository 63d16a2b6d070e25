import { beforeAll } from "vitest";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { neighboursAgree } from "../agreement/neighbours.ts";
import { openGpu } from "./gpu.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});

neighboursAgree(() => device);
