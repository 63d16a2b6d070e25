import { currentEngine } from "../engine/current.ts";
import type { DType } from "../graph/dtype.ts";
import type { Device } from "../runtime/device.ts";
import { checkDType } from "./tensor.ts";

export interface CreateOptions {
  readonly dtype?: DType;
  readonly device?: Device;
}

/** What is asked for, or the default device and `fallback`. @throws DTypeError when the device does not have the dtype. */
export function resolve(
  op: string,
  options: CreateOptions,
  fallback: DType,
): { dtype: DType; device: Device } {
  const device = options.device ?? currentEngine().defaultDevice;
  const dtype = options.dtype ?? fallback;
  checkDType(op, dtype, device);
  return { dtype, device };
}
