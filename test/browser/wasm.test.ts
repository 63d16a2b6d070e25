import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { graphsAgree } from "../runtime/agreement/graphs.ts";
import { opsAgree } from "../runtime/agreement/ops.ts";

const device = new WasmDevice();
opsAgree("wasm in a page", () => device, 2);
graphsAgree("wasm in a page", () => device, 30);
