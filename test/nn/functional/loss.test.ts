import { lossSpecs } from "../../../src/testing/specs/functions/loss.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(lossSpecs);
