import { verify } from "../../../src/codegen/kernel/verify.ts";
import { type WebGpuDevice, webgpu } from "../../../src/runtime/webgpu/node/index.ts";

/** A GPU of this process: a real one where there is one, else one in software. Every kernel passes the verifier. */
export async function openGpu(): Promise<WebGpuDevice> {
  const device = await webgpu();
  const load = device.pipelines.load.bind(device.pipelines);
  device.pipelines.load = (planned, placeOf) => {
    verify(planned.kernel);
    return load(planned, placeOf);
  };
  return device;
}
