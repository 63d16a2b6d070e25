import { type Command, Option } from "commander";
import { FileFormatError } from "../graph/errors.ts";
import { readTextFile } from "../io/node/index.ts";
import { cosine } from "../models/index.ts";
import { compile } from "../tensor/compile.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import { Tensor } from "../tensor/tensor.ts";
import { splitLines } from "../text/index.ts";
import { integer } from "./arguments.ts";
import { encodeTexts } from "./classify/classifier.ts";
import { onDevice } from "./devices.ts";
import { type ModelWithTokenizer, readModel } from "./modelFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { colorsOf, print, printJson, type Terminal } from "./terminal.ts";

interface EmbedOptions extends RunOptions {
  readonly pooling: "mean" | "cls";
  readonly normalize?: true;
  readonly nearest?: number;
  readonly length: number;
  readonly batch: number;
}

export function addEmbedCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("embed")
    .description("give a vector for each line of a file, or for each line those that are most like it")
    .argument("<folder>", "folder with config.json, model.safetensors and tokenizer.json")
    .argument("<file>", "a text a line")
    .addOption(
      new Option("--pooling <how>", "mean of all tokens, or the first token's vector")
        .choices(["mean", "cls"])
        .default("mean"),
    )
    .option("--normalize", "vectors of length 1")
    .option("--nearest <n>", "show the lines that are most like each, instead of vectors", integer(1, 1000))
    .option(
      "--length <n>",
      "most tokens of a line, special ones included; the rest is cut",
      integer(3, 65_536),
      64,
    )
    .option("--batch <n>", "lines that the model takes at once", integer(1, 65_536), 32);
  addRunOptions(command, "print a JSON object a line").action(
    async (folder: string, file: string, options: EmbedOptions) => {
      const lines = splitLines(await readTextFile(file));
      const vectors = await onDevice(options.device, 0, async () =>
        vectorsOf(lines, await readModel(folder), options, folder),
      );
      if (options.nearest !== undefined) showNearest(terminal, lines, vectors, options.nearest, options.json);
      else {
        // Vectors are for programs: one JSON object a line in any case.
        for (const [i, text] of lines.entries()) printJson(terminal, { text, vector: [...vectors[i]] });
      }
    },
  );
}

async function vectorsOf(
  lines: readonly string[],
  { model, tokenizer }: ModelWithTokenizer,
  { pooling, normalize, length: wanted, batch }: EmbedOptions,
  folder: string,
): Promise<readonly Float64Array[]> {
  const { max_position_embeddings: room = wanted } = model.config as {
    readonly max_position_embeddings?: number;
  };
  const length = Math.min(wanted, room);
  model.eval();
  const pass = compile((inputIds: Tensor, attentionMask: Tensor) =>
    noGrad(() => {
      const hidden: unknown = Reflect.get(model.forward(inputIds, { attentionMask }), "lastHiddenState");
      if (!(hidden instanceof Tensor)) {
        throw new FileFormatError(`${folder}: a ${model.constructor.name} gives no vectors of tokens`);
      }
      return pooling === "cls" ? hidden.select(1, 0) : meanOf(hidden, attentionMask);
    }),
  );
  const vectors: Float64Array[] = [];
  for (let start = 0; start < lines.length; start += batch) {
    const { ids, lengths, count } = encodeTexts(lines.slice(start, start + batch), {
      tokenizer,
      length,
    });
    const shape = [batch, length];
    const all = new Int32Array(batch * length);
    all.set(ids);
    const mask = all.map((_, i) => (i % length < (lengths[Math.floor(i / length)] ?? 1) ? 1 : 0));
    const found = await pass(tensor(all, { shape }), tensor(mask, { shape })).data();
    const width = found.length / batch;
    for (let row = 0; row < count; row++) {
      const vector = Float64Array.from(found.subarray(row * width, (row + 1) * width));
      vectors.push(normalize ? normalized(vector) : vector);
    }
  }
  return vectors;
}

/** [B, width]: the mean of hidden [B, T, width] where the mask [B, T] is 1. */
function meanOf(hidden: Tensor, mask: Tensor): Tensor {
  const weights = mask.to(hidden.dtype).unsqueeze(2);
  return hidden
    .mul(weights)
    .sum({ dim: 1 })
    .div(weights.sum({ dim: 1 }));
}

function normalized(vector: Float64Array): Float64Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

function showNearest(
  terminal: Terminal,
  lines: readonly string[],
  vectors: readonly Float64Array[],
  count: number,
  json: true | undefined,
): void {
  const colors = colorsOf(terminal);
  for (const [i, text] of lines.entries()) {
    const nearest = lines
      .map((other, j) => ({ text: other, similarity: cosine(vectors[i], vectors[j]), j }))
      .filter(({ j }) => j !== i)
      .sort((a, b) => b.similarity - a.similarity || a.j - b.j)
      .slice(0, count)
      .map(({ text: other, similarity }) => ({ text: other, similarity }));
    if (json) printJson(terminal, { text, nearest });
    else {
      print(terminal, colors.bold(text));
      for (const near of nearest) print(terminal, `  ${near.similarity.toFixed(4)}  ${near.text}`);
    }
  }
}
