/** Reading and writing model files, in browsers and in Node. Folders on disk: see `node/`. */
export {
  fromBool,
  fromFloat32,
  fromInt32,
  fromTypedArray,
  parseSafetensors,
  type SafetensorsDtype,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsMetadata,
  type SafetensorsTensor,
  type SafetensorsTensors,
  serializeSafetensors,
  toBool,
  toFloat32,
  toInt32,
  toTypedArray,
} from "./safetensors.ts";
export { type JsonObject, type JsonValue, parseJsonObject, parseStrictJson } from "./strictJson.ts";
export {
  captureTraining,
  checkpointChunks,
  parseCheckpoint,
  restoreTraining,
  type TrainedParts,
  type TrainingCheckpoint,
} from "./trainingCheckpoint.ts";
