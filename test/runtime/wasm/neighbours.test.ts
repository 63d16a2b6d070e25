import { neighboursAgree } from "../agreement/neighbours.ts";
import { CheckedWasmDevice } from "./checked.ts";

const device = new CheckedWasmDevice();
neighboursAgree(() => device);
