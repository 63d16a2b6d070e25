import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ArgumentError, FileFormatError, ShapeError } from "../../src/graph/errors.ts";
import { fromFloat32, fromInt32, serializeSafetensors, toFloat32 } from "../../src/io/index.ts";
import { FileWriteError, readModelFolder, readTextFile, writeModelFolder } from "../../src/io/node/index.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "fusegrad-io-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const config = {
  model_type: "bert",
  hidden_size: 32,
  layer_norm_eps: 1e-12,
  architectures: ["BertModel"],
  pad: null,
};
const tensors = new Map([
  ["embeddings.weight", fromFloat32(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])],
  ["position_ids", fromInt32(Int32Array.of(0, 1), [1, 2])],
]);
const tokenizerJson = { model: { vocab: { "[PAD]": 0, __proto_: 1, constructor: 2 } } };

/** A folder with these files; values that are not bytes become JSON. */
async function folderWith(files: Record<string, Uint8Array | object | string>): Promise<string> {
  const folder = await mkdtemp(join(root, "folder-"));
  for (const [name, content] of Object.entries(files)) {
    const isRaw = typeof content === "string" || content instanceof Uint8Array;
    await writeFile(join(folder, name), isRaw ? content : JSON.stringify(content));
  }
  return folder;
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("expected the promise to be rejected with an error");
  return error;
}

async function expectRefused(folder: string, ...parts: string[]): Promise<void> {
  const error = await failure(readModelFolder(folder));
  expect(error).toBeInstanceOf(FileFormatError);
  for (const part of parts) expect(error.message).toContain(part);
}

describe("writing and reading", () => {
  test("a folder comes back as it was written, into a path that did not exist", async () => {
    const folder = join(root, "new", "model");
    await writeModelFolder(folder, { config, tensors, tokenizerJson });
    expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    const read = await readModelFolder(folder);
    expect(read.config).toEqual(config);
    expect(read.tokenizerJson).toEqual(tokenizerJson);
    expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()]);
    for (const [name, tensor] of tensors) expect(read.tensors.get(name)).toEqual({ name, ...tensor });
    expect(toFloat32(read.tensors.get("embeddings.weight")!)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test("weights say format pt unless told otherwise, and are the bytes of serializeSafetensors", async () => {
    await writeModelFolder(root, { config, tensors });
    const bytes = new Uint8Array(await readFile(join(root, "model.safetensors")));
    expect(bytes).toEqual(serializeSafetensors(tensors, { format: "pt" }));
    await writeModelFolder(root, { config, tensors, metadata: {} });
    expect(new Uint8Array(await readFile(join(root, "model.safetensors")))).toEqual(
      serializeSafetensors(tensors),
    );
  });

  test("files that are not given, or not ours, stay", async () => {
    const folder = await folderWith({ "tokenizer.json": { kept: true }, "README.md": "kept" });
    await writeModelFolder(folder, { config, tensors });
    expect((await readModelFolder(folder)).tokenizerJson).toEqual({ kept: true });
    expect(await readFile(join(folder, "README.md"), "utf8")).toBe("kept");
  });

  test("a tokenizer given as text is written as it is", async () => {
    const text = '{"b": 1,\n\t"a": 2}';
    await writeModelFolder(root, { config, tensors, tokenizerJson: text });
    expect(await readFile(join(root, "tokenizer.json"), "utf8")).toBe(text);
  });

  test("a symbolic link is replaced, what it points to stays", async () => {
    const folder = await folderWith({ "blob.txt": "shared by others" });
    await symlink("blob.txt", join(folder, "config.json"));
    await writeModelFolder(folder, { config, tensors });
    expect(await readFile(join(folder, "blob.txt"), "utf8")).toBe("shared by others");
    expect((await readModelFolder(folder)).config).toEqual(config);
  });

  test("what cannot be written is refused before anything is touched", async () => {
    const folder = join(root, "untouched");
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const bad = new Map([["w", { ...fromFloat32(Float32Array.of(1), [1]), shape: [2] }]]);
    const errors = await Promise.all([
      failure(writeModelFolder(folder, { config: { eps: Number.NaN }, tensors })),
      failure(writeModelFolder(folder, { config: circular, tensors })),
      failure(writeModelFolder(folder, { config: [], tensors })),
      failure(writeModelFolder(folder, { config, tensors, tokenizerJson: "{" })),
    ]);
    for (const error of errors) expect(error).toBeInstanceOf(ArgumentError);
    expect(errors[0].message).toContain('config has NaN at "eps"');
    expect(await failure(writeModelFolder(folder, { config, tensors: bad }))).toBeInstanceOf(ShapeError);
    expect(await readdir(root)).toEqual([]);
  });

  test("a folder where a file should be is not replaced, and the other files stay", async () => {
    const folder = await folderWith({ "model.safetensors": "old", "tokenizer.json": "old" });
    await mkdir(join(folder, "config.json"));
    const error = await failure(writeModelFolder(folder, { config, tensors, tokenizerJson }));
    expect(error).toBeInstanceOf(FileWriteError);
    expect(error.message).toContain(`${join(folder, "config.json")}: cannot be written`);
    expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(await readFile(join(folder, "model.safetensors"), "utf8")).toBe("old");
  });

  test("a file where the folder should be", async () => {
    await writeFile(join(root, "file"), "x");
    expect(await failure(writeModelFolder(join(root, "file"), { config, tensors }))).toBeInstanceOf(
      FileWriteError,
    );
  });
});

describe("shards", () => {
  const shard = (...names: string[]) =>
    serializeSafetensors(new Map(names.map((name) => [name, fromFloat32(Float32Array.of(1), [1])])));
  const indexName = "model.safetensors.index.json";
  const first = "model-00001-of-00002.safetensors";
  const second = "model-00002-of-00002.safetensors";
  const index = { metadata: { total_size: 12 }, weight_map: { a: first, b: second, c: first } };
  const whole = { "config.json": config, [indexName]: index, [first]: shard("a", "c"), [second]: shard("b") };

  test("are read into one map", async () => {
    const read = await readModelFolder(await folderWith(whole));
    expect([...read.tensors.keys()].sort()).toEqual(["a", "b", "c"]);
    expect(read.tokenizerJson).toBe(undefined);
  });

  test("model.safetensors goes first where both exist", async () => {
    const read = await readModelFolder(await folderWith({ ...whole, "model.safetensors": shard("x") }));
    expect([...read.tensors.keys()]).toEqual(["x"]);
  });

  test("cannot lie outside the folder", async () => {
    await writeFile(join(root, "secret.safetensors"), shard("a"));
    const names = [
      "../secret.safetensors",
      join(root, "secret.safetensors"),
      "..\\secret.safetensors",
      "..",
      "",
      ".",
    ];
    const more = [
      "C:secret.safetensors",
      "sub/x.safetensors",
      "x.safetensors\0",
      "x.bin",
      ".x.safetensors",
      3,
      null,
    ];
    for (const name of [...names, ...more]) {
      const folder = await folderWith({ ...whole, [indexName]: { weight_map: { a: name } } });
      await expectRefused(folder, indexName, 'weight_map of "a"', "expected a .safetensors file beside it");
    }
  });

  test("must agree with the index", async () => {
    const cases: [Record<string, Uint8Array | object | string>, string][] = [
      [{ [second]: shard() }, `"b" is missing`],
      [{ [second]: shard("b", "d") }, `the tensor "d", but`],
      [{ [second]: shard("b", "a") }, `lists it in ${first}`],
      [{ [second]: "" }, "the file is empty"],
      [{ [second]: "not a safetensors file" }, "above the limit"],
      [{ [indexName]: {} }, '"weight_map", an object'],
      [{ [indexName]: { weight_map: [first] } }, '"weight_map", an object'],
      [{ [indexName]: { weight_map: {} } }, "lists no tensor"],
      [{ [indexName]: `{"weight_map":{"a":"${first}","a":"${second}"}}` }, 'the key "a" twice'],
      [{ [indexName]: { weight_map: { a: "gone.safetensors" } } }, "no such file"],
    ];
    for (const [files, message] of cases)
      await expectRefused(await folderWith({ ...whole, ...files }), message);
  });
});

describe("folders that are not right", () => {
  const weights = serializeSafetensors(tensors);

  test("each message names the path and what was expected", async () => {
    const missing = join(root, "missing");
    await expectRefused(missing, missing, "no such file or folder", "expected a folder with config.json");
    await writeFile(join(root, "file"), "x");
    await expectRefused(join(root, "file"), "it is a file; expected a folder");
    await expectRefused(
      await folderWith({}),
      "config.json: no such file",
      "expected the model's configuration",
    );
    await expectRefused(await folderWith({ "config.json": "" }), "config.json: the file is empty");
    await expectRefused(await folderWith({ "config.json": "{" }), "config.json: ", "found the end");
    await expectRefused(await folderWith({ "config.json": "[1]" }), "config.json: expected a JSON object");
    await expectRefused(
      await folderWith({ "config.json": Uint8Array.of(0x7b, 0xff) }),
      "byte 1 is not valid UTF-8",
    );
    await expectRefused(await folderWith({ "config.json": config }), "expected model.safetensors or");
    const pickle = { "config.json": config, "pytorch_model.bin": "x" };
    await expectRefused(await folderWith(pickle), "convert it to safetensors");
    const truncated = { "config.json": config, "model.safetensors": weights.subarray(0, weights.length - 1) };
    await expectRefused(await folderWith(truncated), "model.safetensors: ", "ends beyond");
    const tokenizer = { "config.json": config, "model.safetensors": weights, "tokenizer.json": "" };
    await expectRefused(
      await folderWith(tokenizer),
      "tokenizer.json: the file is empty; expected a tokenizer",
    );
    const nested = await folderWith({ "config.json": config });
    await mkdir(join(nested, "model.safetensors"));
    await expectRefused(nested, "model.safetensors: it is a folder");
  });
});

describe("readTextFile", () => {
  test("text, without a byte order mark", async () => {
    const path = join(root, "text.txt");
    await writeFile(path, "\ufeffna\u00efve \u{1f600} \ufffd\n");
    expect(await readTextFile(path)).toBe("na\u00efve \u{1f600} \ufffd\n");
  });

  test("files that are not text", async () => {
    const path = join(root, "text.txt");
    const refused = async (message: string, file = path) => {
      const error = await failure(readTextFile(file, "a corpus"));
      expect(error).toBeInstanceOf(FileFormatError);
      expect(error.message).toContain(`${file}: `);
      expect(error.message).toContain("expected a corpus");
      expect(error.message).toContain(message);
    };
    await refused("no such file");
    await refused("it is a folder", root);
    await refused("it is a device or a pipe", "/dev/null");
    await refused("a part of the path is not a folder", "/dev/null/x");
    await writeFile(path, "");
    await refused("the file is empty");
    // The position counts bytes, and a U+FFFD that the text itself holds is not an error.
    await writeFile(path, Uint8Array.of(0xef, 0xbb, 0xbf, 0xef, 0xbf, 0xbd, 0xc3, 0xa9, 0x61, 0xe9, 0x61));
    await refused("byte 9 is not valid UTF-8");
    await writeFile(path, Uint8Array.of(0x61, 0xf0, 0x9f, 0x98));
    await refused("byte 1 is not valid UTF-8");
  });
});
