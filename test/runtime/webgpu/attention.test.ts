import { beforeAll } from "vitest";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { InterpretedDevice } from "../../../src/testing/devices/interpreted.ts";
import { attentionAgrees, attentionComputes, attentionIsOneKernel } from "../agreement/attention.ts";
import { openGpu } from "./gpu.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});
attentionAgrees("webgpu", () => device, [
  [1, 1, 1, 1],
  [5, 9, 3, 70],
  [145, 131, 9, 7],
]);

const interpreted = new InterpretedDevice();
attentionComputes("interpreted workgroups", () => interpreted);
attentionIsOneKernel("interpreted workgroups", () => interpreted);
