import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { neighboursAgree } from "../agreement/neighbours.ts";

const device = new CheckedWasmDevice();
neighboursAgree(() => device);
