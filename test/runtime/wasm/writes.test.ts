import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { writesAgree } from "../agreement/writes.ts";

const device = new CheckedWasmDevice();
writesAgree(() => device, 150);
