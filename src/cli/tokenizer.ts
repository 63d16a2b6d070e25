import { basename, dirname } from "node:path";
import { type Command, Option } from "commander";
import { readTextFile } from "../io/node/index.ts";
import { replaceFiles } from "../io/node/replaceFiles.ts";
import { splitLines } from "../text/index.ts";
import { integer, path } from "./arguments.ts";
import { readMobyDick } from "./mobyDick.ts";
import { print, printJson, type Terminal } from "./terminal.ts";
import { type TokenizerKind, tokenizerKinds, trainTokenizer } from "./tokenizers.ts";

interface TokenizerOptions {
  readonly kind: TokenizerKind;
  readonly text?: string;
  readonly size: number;
  readonly out: string;
  readonly json?: true;
}

export function addTokenizerCommand(program: Command, terminal: Terminal): void {
  const group = program.command("tokenizer").description("train tokenizers").helpCommand(false);
  group
    .command("train")
    .description("train a tokenizer on a text and write it as tokenizer.json")
    .addOption(
      new Option("--kind <name>", "BERT's, RoBERTa's or ALBERT's")
        .choices(tokenizerKinds)
        .default("wordpiece"),
    )
    .option("--text <file>", "text to train on, in UTF-8 (default: Moby-Dick)", path)
    .option("--size <n>", "most tokens in the vocabulary", integer(6, 1_000_000), 4096)
    .requiredOption("--out <file>", "where to write it", path)
    .option("--json", "print one JSON object")
    .action(async (options: TokenizerOptions) => {
      const { kind, size: vocabSize, out } = options;
      const name = options.text ?? "Moby-Dick";
      const text = options.text === undefined ? readMobyDick() : await readTextFile(options.text);
      const tokenizer = trainTokenizer(kind, splitLines(text), { name, vocabSize, option: "--size" });
      const json = new TextEncoder().encode(`${JSON.stringify(tokenizer.toJSON(), null, 2)}\n`);
      await replaceFiles(dirname(out), [{ name: basename(out), chunks: [json] }]);
      if (options.json) printJson(terminal, { kind, size: tokenizer.vocabSize, out });
      else
        print(terminal, `${kind} tokenizer of ${tokenizer.vocabSize.toLocaleString("en")} tokens in ${out}`);
    });
}
