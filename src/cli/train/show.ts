import { fillMask } from "../fillMask.ts";
import { colorsOf, print, printJson, type Terminal } from "../terminal.ts";
import { type Corpus, chooseClozes } from "./corpus.ts";
import type { Score } from "./evaluate.ts";
import type { TrainOptions } from "./options.ts";
import type { Task } from "./recipe.ts";
import { recipes } from "./recipes.ts";

const shownSentences = 3;
const shownCandidates = 5;

const count = (value: number): string => value.toLocaleString("en");

/** What is about to be trained, and on what. */
export function introduce(
  terminal: Terminal,
  name: string,
  corpus: Corpus,
  task: Task,
  options: TrainOptions,
): void {
  const parameters = task.model.parameters().reduce((total, { numel }) => total + numel, 0);
  print(
    terminal,
    `${name}: ${count(corpus.tokenizer.vocabSize)} kinds of tokens, ${count(corpus.trainingTokens)} tokens ` +
      `to train on, ${count(corpus.heldOutTokens)} held out`,
  );
  print(
    terminal,
    `${recipes[options.model].title}: ${count(parameters)} parameters; ${count(options.steps)} steps of ` +
      `${options.batch} sequences of ${options.length} tokens`,
  );
  print(terminal);
}

/** What each kind of prediction is called, with the words for its baseline. */
const kinds: Readonly<Record<string, { readonly what: string; readonly of: string }>> = {
  tokens: { what: "Held-out masked loss", of: "of the masked tokens are predicted right" },
  all: { what: "Held-out loss of all tokens", of: "of the tokens are predicted right" },
  next: { what: "Held-out loss of next tokens", of: "of the next tokens are predicted right" },
  permuted: { what: "Held-out loss of the permutation", of: "of the predicted tokens are right" },
  pairs: { what: "Held-out loss of sentence pairs", of: "of the pairs are judged right" },
  replaced: { what: "Held-out loss of replaced tokens", of: "of all tokens are judged right" },
};

/** What a kind of prediction is called. */
export function kindOf(name: string): { readonly what: string; readonly of: string } {
  return kinds[name] ?? { what: `Held-out loss of ${name}`, of: "are right" };
}

export function conclude(terminal: Terminal, scores: Readonly<Record<string, Score>>): void {
  const colors = colorsOf(terminal);
  print(terminal);
  for (const [name, { loss, baseline, accuracy }] of Object.entries(scores)) {
    const { what, of } = kindOf(name);
    print(
      terminal,
      `${what} ${colors.bold(loss.toFixed(3))}, by frequency alone ${baseline.toFixed(3)}; ` +
        `${colors.bold(`${(100 * accuracy).toFixed(1)} %`)} ${of}`,
    );
  }
}

/** The scores as one flat object: the main one's fields first, the others' with their names. */
export function concludeJson(terminal: Terminal, scores: Readonly<Record<string, Score>>): void {
  const [[, main], ...others] = Object.entries(scores);
  const { loss: heldOutLoss, baseline: unigramLoss, accuracy } = main;
  const more = others.flatMap(([name, { loss, baseline, accuracy }]) => [
    [`${name}Loss`, loss],
    [`${name}Baseline`, baseline],
    [`${name}Accuracy`, accuracy],
  ]);
  printJson(terminal, { final: true, heldOutLoss, unigramLoss, accuracy, ...Object.fromEntries(more) });
}

/** Held-out sentences with a word masked, and what the model puts there. */
export async function showFills(terminal: Terminal, { filler }: Task, corpus: Corpus): Promise<void> {
  if (filler === undefined) return;
  const { heldOutSentences, tokenizer } = corpus;
  const clozes = chooseClozes(heldOutSentences, tokenizer, shownSentences, filler.room);
  const colors = colorsOf(terminal);
  for (const { text, word } of clozes) {
    const [{ candidates }] = await fillMask(filler, tokenizer, text, shownCandidates);
    const shown = candidates.map(({ token, probability }) => `${token} ${(100 * probability).toFixed(1)} %`);
    print(terminal);
    print(terminal, text.replace("[MASK]", colors.cyan("[MASK]")));
    print(terminal, `  ${shown.join(", ")}   ${colors.dim(`(it was: ${word})`)}`);
  }
}
