import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { graphsAgree } from "../agreement/graphs.ts";

// Each group may stand beside the parts of another: a single one can be compared with its own.
const device = new CheckedWasmDevice({ fusion: ({ index }) => index % 2 === 0 });
graphsAgree("wasm with every other group taken apart", () => device, 46);
