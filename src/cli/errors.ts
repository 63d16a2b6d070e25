import { FileFormatError, FusegradError, StateDictError } from "../graph/errors.ts";
import { FileWriteError } from "../io/node/index.ts";

/** What was asked for cannot be done; the message says what to change. The command ends with status 2. */
export class UsageError extends FusegradError {}

/** Ctrl-C or SIGTERM. The command ends with status 130 or 143, as shells expect of a program that was interrupted. */
export class InterruptedError extends FusegradError {}

/** Devices disagree: what was looked for. The command ends with status 1. */
export class DisagreementsFound extends FusegradError {}

/** Whether an error is about what the user gave (options, files), and not about the program. */
export function isUsersError(error: unknown): error is FusegradError {
  return (
    error instanceof UsageError ||
    error instanceof FileFormatError ||
    error instanceof FileWriteError ||
    error instanceof StateDictError
  );
}
