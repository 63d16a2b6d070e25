import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { graphsAgree } from "../agreement/graphs.ts";

const device = new CheckedWasmDevice();
graphsAgree("wasm", () => device, 300);
