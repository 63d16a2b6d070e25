import { poolingSpecs } from "../../../src/testing/specs/functions/pooling.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(poolingSpecs);
