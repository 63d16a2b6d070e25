import { beforeAll } from "vitest";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { graphsAgree } from "../agreement/graphs.ts";
import { openGpu } from "./gpu.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});

graphsAgree("webgpu", () => device, 24);
