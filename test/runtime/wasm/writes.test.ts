import { writesAgree } from "../agreement/writes.ts";
import { CheckedWasmDevice } from "./checked.ts";

const device = new CheckedWasmDevice();
writesAgree(() => device, 150);
