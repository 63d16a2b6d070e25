import type { Recipe } from "./recipe.ts";
import { albert } from "./recipes/albert.ts";
import { bert } from "./recipes/bert.ts";
import { distilbert } from "./recipes/distilbert.ts";
import { electra } from "./recipes/electra.ts";
import { roberta } from "./recipes/roberta.ts";
import { synthesizer } from "./recipes/synthesizer.ts";
import { transformer } from "./recipes/transformer.ts";
import { transformerXl } from "./recipes/transformerXl.ts";
import { tta } from "./recipes/tta.ts";
import { xlnet } from "./recipes/xlnet.ts";

/** What `train --model` knows, by the name it is given; the first is the default. */
export const recipes = {
  bert,
  roberta,
  albert,
  electra,
  distilbert,
  synthesizer,
  tta,
  transformer,
  xlnet,
  "transformer-xl": transformerXl,
} satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

export const recipeNames = Object.keys(recipes) as RecipeName[]; // The keys of a constant.
