import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { graphsAgree } from "../agreement/graphs.ts";

// A graph that fails fused and passes here has found a fault of fusion.
const device = new CheckedWasmDevice({ fusion: "none" });
graphsAgree("wasm without fusion", () => device, 45);
