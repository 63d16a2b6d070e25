import { opsAgree } from "../agreement/ops.ts";
import { CheckedWasmDevice } from "./checked.ts";

const device = new CheckedWasmDevice();
opsAgree("wasm", () => device, 12);
