import { graphsAgree } from "../agreement/graphs.ts";
import { CheckedWasmDevice } from "./checked.ts";

// A graph that fails fused and passes here has found a fault of fusion.
const device = new CheckedWasmDevice({ fusion: "none" });
graphsAgree("wasm without fusion", () => device, 45);
