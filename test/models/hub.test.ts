import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError } from "../../src/graph/errors.ts";
import {
  DownloadError,
  type DownloadProgress,
  FileWriteError,
  writeModelFolder,
} from "../../src/io/node/index.ts";
import { BertConfig, BertForMaskedLM, savePretrained } from "../../src/models/index.ts";
import { fromPretrained } from "../../src/models/node.ts";
import { Tokenizer } from "../../src/text/index.ts";
import { HubServer } from "../io/hubServer.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, tinyConfig } from "./tiny.ts";

onReferenceDevice();

let hub: HubServer;
let hubUrl: string;
let cacheFolder: string;
let files: Map<string, Uint8Array>;
let model: BertForMaskedLM;

beforeEach(async () => {
  model = new BertForMaskedLM(BertConfig.from(tinyConfig("bert"))).eval();
  cacheFolder = await mkdtemp(join(tmpdir(), "fusegrad-hub-"));
  const saved = join(cacheFolder, "saved");
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f"];
  const tokenizer = Tokenizer.bert(tokens).toJSON();
  await writeModelFolder(saved, { ...(await savePretrained(model)), tokenizerJson: tokenizer });
  files = new Map([["README.md", new TextEncoder().encode("not needed")]]);
  for (const name of await readdir(saved)) files.set(name, await readFile(join(saved, name)));
  hub = new HubServer();
  hub.models.set("someone/tiny-bert", files);
  hubUrl = await hub.start();
});

afterEach(async () => {
  await hub.stop();
  await rm(cacheFolder, { recursive: true });
});

const fetched = (more: object = {}) => fromPretrained("someone/tiny-bert", { hubUrl, cacheFolder, ...more });
const folder = (): string => join(cacheFolder, "someone", "tiny-bert", "main");

/** Files that look finished; notes and parts do not. */
async function finished(): Promise<string[]> {
  const names = await readdir(folder()).catch(() => []);
  return names.filter((name) => !name.startsWith(".")).sort();
}

describe("a model of the hub", () => {
  it("is the model that was saved, with its tokenizer, and progress over all files", async () => {
    const seen: DownloadProgress[] = [];
    const {
      model: loaded,
      tokenizer,
      missing,
    } = await fetched({
      onProgress: (progress: DownloadProgress) => seen.push(progress),
    });
    expect(missing).toEqual([]);
    expect(tokenizer?.encode("a b").ids).toEqual([2, 5, 6, 3]);
    const ids = i32([[2, 5, 4, 3]]);
    const output = loaded.forward(ids) as ReturnType<BertForMaskedLM["forward"]>;
    expect(await output.logits.data()).toEqual(await model.forward(ids).logits.data());
    const total = ["config.json", "tokenizer.json", "model.safetensors"].reduce(
      (sum, name) => sum + (files.get(name)?.byteLength ?? 0),
      0,
    );
    expect(seen.at(-1)).toMatchObject({ bytes: total, totalBytes: total });
    for (const [i, { bytes }] of seen.slice(1).entries()) expect(bytes).toBeGreaterThanOrEqual(seen[i].bytes);
    expect(hub.sent).not.toContain("README.md");
  });

  it("is fetched once; then only what changed; and without a connection not at all", async () => {
    await fetched();
    hub.sent.length = 0;
    await fetched();
    expect(hub.sent).toEqual([]);
    const config = JSON.parse(new TextDecoder().decode(files.get("config.json"))) as object;
    files.set("config.json", new TextEncoder().encode(JSON.stringify({ ...config, note: "new" })));
    await fetched();
    expect(hub.sent).toEqual(["config.json"]);
    await hub.stop();
    const { model: loaded } = await fetched();
    expect(loaded).toBeInstanceOf(BertForMaskedLM);
    await expect(fromPretrained("someone/other", { hubUrl, cacheFolder })).rejects.toThrow(DownloadError);
    hub = new HubServer();
    await hub.start();
  });

  it("may come in shards", async () => {
    const { tensors, config } = await savePretrained(model);
    const names = [...tensors.keys()];
    const part = (from: number, to: number) => new Map([...tensors].slice(from, to));
    const shards = [part(0, 5), part(5, names.length)];
    const weightMap: Record<string, string> = {};
    for (const [i, shard] of shards.entries()) {
      const path = join(cacheFolder, `shard${i}`);
      await writeModelFolder(path, { config, tensors: shard });
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      files.set(file, await readFile(join(path, "model.safetensors")));
      for (const name of shard.keys()) weightMap[name] = file;
    }
    files.delete("model.safetensors");
    const index = new TextEncoder().encode(JSON.stringify({ weight_map: weightMap }));
    files.set("model.safetensors.index.json", index);
    const { model: loaded, missing } = await fetched();
    expect(missing).toEqual([]);
    expect(await loaded.parameters()[0].data()).toEqual(await model.parameters()[0].data());
    files.delete("model-00002-of-00002.safetensors");
    await rm(folder(), { recursive: true });
    await expect(fetched()).rejects.toThrow(/does not have model-00002-of-00002\.safetensors/);
  });
});

describe("a download that fails", () => {
  it.each(["cut off", "too long"] as const)(
    "leaves no file that looks finished when one is %s",
    async (fault) => {
      hub.faults.set("model.safetensors", fault);
      await expect(fetched()).rejects.toThrow(DownloadError);
      expect(await finished()).toEqual(["config.json", "tokenizer.json"]);
      hub.faults.clear();
      await fetched();
      expect(await finished()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    },
  );

  it("can be stopped, with the signal's own reason", async () => {
    hub.faults.set("model.safetensors", "slow");
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ file }: DownloadProgress): void => {
      if (file === "model.safetensors") controller.abort(reason);
    };
    await expect(fetched({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(await finished()).toEqual(["config.json", "tokenizer.json"]);
    expect((await readdir(folder())).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("says what is wrong", async () => {
    const load = (name: string, more: object = {}) => fromPretrained(name, { hubUrl, cacheFolder, ...more });
    await expect(load("someone/nothing")).rejects.toThrow(/the hub has no model of that name and revision/);
    await expect(fetched({ revision: "elsewhere" })).rejects.toThrow(/no model of that name and revision/);
    await expect(fetched({ revision: "../main" })).rejects.toThrow(ArgumentError);
    hub.gated.set("someone/tiny-bert", "secret");
    await expect(fetched()).rejects.toThrow(/not open to all; check the name, or give an accessToken/);
    await fetched({ accessToken: "hf_secret" }).catch(() => undefined);
    hub.gated.clear();
    hub.faults.set("config.json", "missing");
    await rm(folder(), { recursive: true, force: true });
    await expect(fetched()).rejects.toThrow(/lists config\.json, but does not have it/);
    files.delete("model.safetensors");
    await expect(fetched()).rejects.toThrow(/no weights in the safetensors format/);
    files.delete("config.json");
    await expect(fetched()).rejects.toThrow(FileFormatError);
    await expect(load("no/such/folder")).rejects.toThrow(FileFormatError);
  });

  it("names the folder that cannot be written", async () => {
    const blocked = join(cacheFolder, "blocked");
    await writeFile(blocked, "a file");
    await expect(fetched({ cacheFolder: blocked })).rejects.toThrow(FileWriteError);
  });
});
