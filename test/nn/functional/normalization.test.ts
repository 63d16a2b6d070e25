import { normalizationSpecs } from "../../../src/testing/specs/functions/normalization.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(normalizationSpecs);
