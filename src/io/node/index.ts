/** Reading and writing model files on disk, in Node. */
export { FileWriteError, readTextFile } from "./files.ts";
export {
  type ModelFolder,
  type ModelFolderContents,
  readModelFolder,
  writeModelFolder,
} from "./modelFolder.ts";
