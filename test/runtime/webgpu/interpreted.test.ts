import { InterpretedDevice } from "../../../src/testing/devices/interpreted.ts";
import { graphsAgree } from "../agreement/graphs.ts";
import { neighboursAgree } from "../agreement/neighbours.ts";
import { writesAgree } from "../agreement/writes.ts";

const device = new InterpretedDevice();
graphsAgree("interpreted workgroups", () => device, 60);
writesAgree(() => device, 60);
neighboursAgree(() => device);
