import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { opsAgree } from "../agreement/ops.ts";

const device = new CheckedWasmDevice();
opsAgree("wasm", () => device, 12);
