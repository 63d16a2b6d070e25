import { sequenceSpecs } from "../../../src/testing/specs/functions/sequence.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(sequenceSpecs);
