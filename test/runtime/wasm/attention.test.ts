import { attentionAgrees, attentionIsOneKernel } from "../agreement/attention.ts";
import { CheckedWasmDevice } from "./checked.ts";

const wasm = new CheckedWasmDevice();
attentionAgrees("wasm", () => wasm);
attentionIsOneKernel("wasm", () => wasm);
