import { hashRandom, type RandomStream } from "../src/text/index.ts";

// Two small languages that say the same. The first is like English. In the second the verb stands at the end and the adverb
// in front, adjectives follow their nouns, and endings say what English says by words and order: number, "the", who does it
// to whom (the object's nouns end in "-um"), and that the doer is many (the verb ends in "-ant").

const nouns: Readonly<Record<string, string>> = {
  ...{ whale: "ketu", sailor: "nautu", ship: "navu", captain: "duku", boat: "skafu", bird: "avu" },
  ...{ storm: "tempu", island: "insu", mate: "soku", harpoon: "hastu", king: "regu", dog: "kanu" },
};
const adjectives: Readonly<Record<string, string>> = {
  ...{ white: "alba", old: "veta", great: "mana", small: "parva" },
  ...{ black: "nigra", good: "bona", quick: "kelera", young: "juna" },
};
const verbs: Readonly<Record<string, string>> = {
  ...{ see: "vid", follow: "sek", hunt: "kapt", fear: "tim", love: "am", call: "vok" },
};
const adverbs: Readonly<Record<string, string>> = {
  ...{ today: "hodie", often: "sepe", never: "nunka", here: "hik" },
};

/** Someone or something: "the old whales". */
interface NounPhrase {
  readonly noun: string;
  readonly adjective: string | undefined;
  readonly definite: boolean;
  readonly plural: boolean;
}

/** A sentence in both languages, as words and endings. */
export interface SentencePair {
  readonly source: readonly string[];
  readonly target: readonly string[];
}

/** Sentence number `index` of some eight million; the same for the same number. */
export function sentencePair(index: number): SentencePair {
  const random = hashRandom(0x7472, index);
  const [subject, object] = [drawPhrase(random), drawPhrase(random)];
  const verb = pick(Object.keys(verbs), random);
  const adverb = random.below(2) === 0 ? pick(Object.keys(adverbs), random) : undefined;
  const said = [...english(subject), verb, ...(subject.plural ? [] : ["-s"]), ...english(object)];
  const ending = subject.plural ? ["-ant"] : ["-at"];
  return {
    source: adverb === undefined ? said : [...said, adverb],
    target: [
      ...(adverb === undefined ? [] : [adverbs[adverb]]),
      ...inflected(subject, []),
      ...inflected(object, ["-um"]),
      verbs[verb],
      ...ending,
    ],
  };
}

/** All words and endings of both languages. */
export const words: readonly string[] = [
  ...["the", "a", "some", "-s", "-i", "-ta", "-um", "-at", "-ant"],
  ...[nouns, adjectives, verbs, adverbs].flatMap((entries) => Object.entries(entries).flat()),
];

function pick(items: readonly string[], random: RandomStream): string {
  return items[random.below(items.length)];
}

function drawPhrase(random: RandomStream): NounPhrase {
  return {
    noun: pick(Object.keys(nouns), random),
    adjective: random.below(2) === 0 ? pick(Object.keys(adjectives), random) : undefined,
    definite: random.below(2) === 0,
    plural: random.below(2) === 0,
  };
}

function english({ noun, adjective, definite, plural }: NounPhrase): string[] {
  const article = definite ? "the" : plural ? "some" : "a";
  return [article, ...(adjective === undefined ? [] : [adjective]), noun, ...(plural ? ["-s"] : [])];
}

/** Noun, then adjective; both have the same endings: number, definiteness, and the case that is given. */
function inflected({ noun, adjective, definite, plural }: NounPhrase, ofCase: readonly string[]): string[] {
  const endings = [...(plural ? ["-i"] : []), ...(definite ? ["-ta"] : []), ...ofCase];
  return [nouns[noun], ...endings, ...(adjective === undefined ? [] : [adjectives[adjective], ...endings])];
}
