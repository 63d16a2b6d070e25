import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How the server misbehaves with a file. */
export type Fault = "cut off" | "too long" | "slow" | "missing";

/** A small hub on this machine: models with files, spoken to as `@huggingface/hub` does. */
export class HubServer {
  /** Files of each model, by revision "main". */
  readonly models = new Map<string, ReadonlyMap<string, Uint8Array>>();
  /** Models that want this token. */
  readonly gated = new Map<string, string>();
  readonly faults = new Map<string, Fault>();
  /** Paths of whole files that were sent. */
  readonly sent: string[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo; // A server that listens on a port has one.
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? "/", "http://hub");
    const listing = /^\/api\/models\/(.+)\/tree\/([^/]+)$/.exec(pathname);
    const file = /^\/(.+)\/resolve\/([^/]+)\/([^/]+)$/.exec(pathname);
    // Large files lie elsewhere.
    const stored = /^\/store\/(.+)\/([^/]+)$/.exec(pathname);
    const name = listing?.[1] ?? file?.[1] ?? stored?.[1] ?? "";
    const token = this.gated.get(name);
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      refuse(response, 401);
      return;
    }
    const files = this.models.get(name);
    if (files === undefined || (listing ?? file)?.[2] === "elsewhere") {
      refuse(response, 404);
      return;
    }
    if (listing) {
      sendJson(response, entriesOf(files));
      return;
    }
    const path = file?.[3] ?? stored?.[2] ?? "";
    const bytes = files.get(path);
    if (bytes === undefined || this.faults.get(path) === "missing") {
      response.setHeader("X-Error-Code", "EntryNotFound");
      refuse(response, 404);
      return;
    }
    if (file && path.endsWith(".safetensors")) {
      response.writeHead(302, { Location: `/store/${name}/${path}` }).end();
      return;
    }
    this.#send(request, response, path, bytes);
  }

  #send(request: IncomingMessage, response: ServerResponse, path: string, bytes: Uint8Array): void {
    response.setHeader("ETag", `"${idOf(bytes)}"`);
    if (request.headers.range === "bytes=0-0") {
      response.writeHead(206, { "Content-Range": `bytes 0-0/${bytes.byteLength}` }).end(bytes.slice(0, 1));
      return;
    }
    this.sent.push(path);
    const half = bytes.slice(0, Math.floor(bytes.byteLength / 2));
    switch (this.faults.get(path)) {
      case "cut off":
        response.writeHead(200, { "Content-Length": bytes.byteLength });
        response.write(half, () => response.destroy());
        return;
      case "too long":
        response.writeHead(200).end(Buffer.concat([bytes, bytes]));
        return;
      case "slow":
        response.writeHead(200, { "Content-Length": bytes.byteLength });
        response.write(half);
        return;
      default:
        response.writeHead(200, { "Content-Length": bytes.byteLength }).end(bytes);
    }
  }
}

function idOf(bytes: Uint8Array): string {
  return createHash("sha1").update(bytes).digest("hex");
}

function entriesOf(files: ReadonlyMap<string, Uint8Array>): object[] {
  return [...files].map(([path, bytes]) => {
    const entry = { type: "file", path, size: bytes.byteLength, oid: idOf(bytes) };
    return path.endsWith(".safetensors")
      ? { ...entry, lfs: { oid: idOf(bytes), size: bytes.byteLength } }
      : entry;
  });
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number): void {
  response
    .writeHead(status, { "Content-Type": "application/json" })
    .end(JSON.stringify({ error: "refused" }));
}
