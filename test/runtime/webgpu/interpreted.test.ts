import { graphsAgree } from "../agreement/graphs.ts";
import { neighboursAgree } from "../agreement/neighbours.ts";
import { writesAgree } from "../agreement/writes.ts";
import { InterpretedDevice } from "./interpreted.ts";

const device = new InterpretedDevice();
graphsAgree("interpreted workgroups", () => device, 60);
writesAgree(() => device, 60);
neighboursAgree(() => device);
