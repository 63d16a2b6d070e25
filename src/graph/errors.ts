/**
 * Every error that fusegrad throws on purpose. Catch `FusegradError` for all of them, or a subclass for one cause.
 * Messages name the operation, the shapes or values involved, and what to do next.
 */
export class FusegradError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Shapes, dims or sizes that an operation cannot accept. */
export class ShapeError extends FusegradError {}

/** A dtype that an operation or device cannot accept. */
export class DTypeError extends FusegradError {}

/** An index, known on the host, that lies outside the dimension it indexes. */
export class IndexOutOfRangeError extends FusegradError {}

/** An argument that is wrong in another way than shape, dtype or index (an unknown option, a probability above 1). */
export class ArgumentError extends FusegradError {}

/** A value that was read from a parameter which has been assigned since: what it depends on is gone. */
export class StaleVersionError extends FusegradError {}

/** Something that cannot be done while a function is being compiled, or with a tensor that left such a call. */
export class TraceError extends FusegradError {}

/** Gradients were asked for where there are none: a value without history, or an op that has no gradient. */
export class GradientError extends FusegradError {}

/** A device failed, or was asked for what it lacks. */
export class DeviceError extends FusegradError {}

/** A device is gone, with all that its memory held: make a new one, and load what you saved. */
export class DeviceLostError extends DeviceError {}

/** A file that is truncated, hostile or not of the format it should have. */
export class FileFormatError extends FusegradError {}

/** State that does not fit the module it is loaded into: missing, unexpected or misshapen keys. */
export class StateDictError extends FusegradError {}

/** A broken promise inside fusegrad itself: always a bug worth a report. */
export class InternalError extends FusegradError {}
