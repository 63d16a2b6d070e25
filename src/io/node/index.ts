/** Reading and writing model files on disk, in Node. */
export {
  type CheckpointFile,
  listCheckpoints,
  readCheckpoint,
  removeLeftovers,
  type SaveOptions,
  saveCheckpoint,
} from "./checkpointFolder.ts";
export { FileWriteError, isFolder, readTextFile } from "./files.ts";
export {
  DownloadError,
  type DownloadOptions,
  type DownloadProgress,
  downloadModel,
  isHubName,
} from "./hub.ts";
export {
  type ModelFolder,
  type ModelFolderContents,
  readModelFolder,
  writeModelFolder,
} from "./modelFolder.ts";
