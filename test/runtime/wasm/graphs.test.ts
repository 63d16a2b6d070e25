import { graphsAgree } from "../agreement/graphs.ts";
import { CheckedWasmDevice } from "./checked.ts";

const device = new CheckedWasmDevice();
graphsAgree("wasm", () => device, 300);
