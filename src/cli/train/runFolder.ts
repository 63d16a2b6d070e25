import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { FileFormatError } from "../../graph/errors.ts";
import { type JsonObject, parseJsonObject, type TrainingCheckpoint } from "../../io/index.ts";
import { listCheckpoints, readCheckpoint, removeLeftovers, saveCheckpoint } from "../../io/node/index.ts";
import { Tokenizer } from "../../text/index.ts";
import { UsageError } from "../errors.ts";
import { makeFolder } from "../output.ts";
import { settingNames, type TrainOptions } from "./options.ts";
import type { Trainer } from "./trainer.ts";

/** What a training goes on from: the options it was started with, its tokenizer and its checkpoint. */
export interface Earlier {
  readonly checkpoint: TrainingCheckpoint;
  readonly tokenizer: Tokenizer;
  /** The options given now, with the settings of then. */
  readonly options: TrainOptions;
}

/** Text and tokenizer of a training, as its checkpoints remember them. */
export interface RunSource {
  readonly text: string;
  readonly tokenizer: Tokenizer;
}

/** The folder that `--out` names, with its checkpoints. */
export class RunFolder {
  readonly path: string;
  readonly #checkpoints: string;
  readonly #every: number;
  readonly #keep: number;
  #saved = -1;

  constructor(path: string, { checkpointEvery, keep }: Pick<TrainOptions, "checkpointEvery" | "keep">) {
    this.path = path;
    this.#checkpoints = join(path, "checkpoints");
    this.#every = checkpointEvery;
    this.#keep = keep;
  }

  /**
   * Makes the folder; found out before the work, not after it.
   * @throws UsageError when it cannot be written to, or holds another training's checkpoints and `resume` is not given.
   */
  async prepare(resume: boolean): Promise<void> {
    await makeFolder(this.path);
    const [first] = await listCheckpoints(this.#checkpoints);
    if (first !== undefined && !resume) {
      throw new UsageError(
        `${this.#checkpoints} holds checkpoints of a training: go on with it with --resume, or give --out another folder`,
      );
    }
    await removeLeftovers(this.#checkpoints);
  }

  /**
   * The last checkpoint, if there is one, checked against the text and the options that were given.
   * @throws FileFormatError for a damaged one; UsageError for another text, or an option that says otherwise.
   */
  async earlier(text: string, options: TrainOptions, command: Command): Promise<Earlier | undefined> {
    const last = (await listCheckpoints(this.#checkpoints)).at(-1);
    if (last === undefined) return undefined;
    const checkpoint = await readCheckpoint(last.path);
    const { options: saved, text: digest, tokenizer } = checkpoint.settings;
    if (
      typeof tokenizer !== "string" ||
      typeof saved !== "object" ||
      saved === null ||
      Array.isArray(saved)
    ) {
      throw new FileFormatError(`${last.path}: its settings are not those of a training from text`);
    }
    if (digest !== digestOf(text)) {
      throw new UsageError(`${last.path}: it was trained on another text; give the same one to go on`);
    }
    return {
      checkpoint,
      tokenizer: Tokenizer.fromJSON(parseJsonObject(tokenizer, last.path)),
      options: { ...options, ...settingsFrom(saved as JsonObject, options, command, last.path) },
    };
  }

  /**
   * Writes a checkpoint: after a step, if it is one of those that ask for it; at the end, unless it has been written.
   * @throws FileWriteError, and then the checkpoints before are still there.
   */
  async save(
    trainer: Trainer,
    options: TrainOptions,
    { text, tokenizer }: RunSource,
    when: "step" | "end",
  ): Promise<void> {
    if (when === "step" && trainer.step % this.#every !== 0) return;
    if (trainer.step === 0 || trainer.step === this.#saved) return;
    const settings = {
      options: Object.fromEntries(
        settingNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
      ),
      text: digestOf(text),
      tokenizer: JSON.stringify(tokenizer.toJSON()),
    };
    await saveCheckpoint(this.#checkpoints, await trainer.checkpoint(settings), { keep: this.#keep });
    this.#saved = trainer.step;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Settings that a checkpoint remembers, read as options are: a value that the command line would refuse is refused here.
 * @throws UsageError for one that was given otherwise now; FileFormatError for one that no option takes.
 */
function settingsFrom(
  saved: JsonObject,
  given: TrainOptions,
  command: Command,
  path: string,
): Partial<TrainOptions> {
  const settings = settingNames.map((name) => {
    const option = command.options.find((candidate) => candidate.attributeName() === name);
    const value = saved[name];
    if (option === undefined || value === undefined) return [name, undefined] as const;
    if (command.getOptionValueSource(name) === "cli" && given[name] !== value) {
      throw new UsageError(
        `${option.long} ${given[name]}: the training to go on with has ${String(value)}; leave the option out, ` +
          "or give --out another folder",
      );
    }
    return [name, parsed(option, value, path)] as const;
  });
  return Object.fromEntries(settings);
}

function parsed(option: Command["options"][number], value: unknown, path: string): unknown {
  if (option.isBoolean() && value === true) return true;
  const { parseArg } = option;
  try {
    if (!option.isBoolean() && (typeof value === "string" || typeof value === "number")) {
      return parseArg ? parseArg(String(value), undefined) : value;
    }
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
  }
  throw new FileFormatError(`${path}: its setting ${option.name()} is ${JSON.stringify(value)}`);
}
