import { beforeAll } from "vitest";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { opsAgree } from "../agreement/ops.ts";
import { openGpu } from "./gpu.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});

opsAgree("webgpu", () => device, 3, { flushesSubnormals: true });
