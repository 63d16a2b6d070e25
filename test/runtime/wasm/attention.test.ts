import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { attentionAgrees, attentionIsOneKernel } from "../agreement/attention.ts";

const wasm = new CheckedWasmDevice();
attentionAgrees("wasm", () => wasm);
attentionIsOneKernel("wasm", () => wasm);
