import { beforeAll } from "vitest";
import { type WebGpuDevice, webgpu } from "../../src/runtime/webgpu/index.ts";
import { graphsAgree } from "../runtime/agreement/graphs.ts";
import { opsAgree } from "../runtime/agreement/ops.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await webgpu();
});

opsAgree("webgpu in a page", () => device, 1, { flushesSubnormals: true });
graphsAgree("webgpu in a page", () => device, 9);
