import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, get, type Server as HttpServer } from "node:http";
import { type AddressInfo, createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FaultProxy, startFaultProxy } from "../../../tools/live/faults";

describe("a fault proxy", () => {
  const received: Buffer[] = [];
  let folder: string;
  let target: Server;
  let proxy: FaultProxy;
  let http: HttpServer;
  let httpProxy: FaultProxy;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "compute-mesh-faults-"));
    target = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("data", (data) => received.push(data));
      socket.on("error", () => undefined);
      // Answers once the client has said all: half-closed connections pass through.
      socket.on("end", () => socket.end("bye"));
    });
    http = createHttpServer((request, response) => response.end(`${request.method} ${request.url} ${request.headers.host}`));
    const at = async (server: Server | HttpServer): Promise<{ host: string; port: number }> => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    };
    proxy = await startFaultProxy({ folder, name: "tcp", target: await at(target) });
    httpProxy = await startFaultProxy({ folder, name: "http", target: await at(http), protocol: "http" });
  });
  afterAll(async () => {
    await proxy?.stop();
    await httpProxy?.stop();
    target?.close();
    http?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Sends, half-closes and reads to the end; "reset" where the connection breaks. */
  function talk(text: string | Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = createConnection({ ...proxy.at, allowHalfOpen: true });
      let heard = "";
      socket.on("data", (data) => (heard += data.toString()));
      socket.on("end", () => resolve(heard));
      socket.on("error", () => resolve("reset"));
      socket.on("close", () => resolve(heard === "" ? "reset" : heard));
      socket.end(text);
    });
  }

  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ ...httpProxy.at, path, agent: false, headers: { host: "signed.example" } }, (response) => {
        let body = "";
        response.on("data", (data) => (body += String(data))).on("end", () => resolve(`${response.statusCode} ${body}`));
      }).on("error", reject);
    });

  it("passes everything on while nothing is wrong", async () => {
    expect(await talk("hello")).toBe("bye");
    expect(Buffer.concat(received).toString()).toBe("hello");
  });

  it("resets one connection after so many bytes, and only that one", async () => {
    received.length = 0;
    await proxy.set({ resetAfterBytes: 1000 });
    expect(await talk(Buffer.alloc(300_000, "x"))).toBe("reset");
    expect(Buffer.concat(received).length).toBeLessThanOrEqual(1000);
    expect(await talk("again")).toBe("bye");
    expect((await proxy.counts()).reset).toBe(1);
  });

  it("is slow, and down, and well again", async () => {
    await proxy.set({ bytesPerSecond: 100_000 });
    const began = Date.now();
    expect(await talk(Buffer.alloc(50_000, "x"))).toBe("bye");
    expect(Date.now() - began).toBeGreaterThan(400);
    await proxy.set({ down: true });
    expect(await talk("hello")).toBe("reset");
    expect((await proxy.counts()).refused).toBe(1);
    await proxy.set({});
    expect(await talk("hello")).toBe("bye");
  });

  it("fails the requests that it is told to, so many times, and hands on the others with their Host", async () => {
    await httpProxy.set({ fail: { status: 503, match: "^GET /bucket/", times: 2 } });
    expect([await ask("/bucket/a"), await ask("/other"), await ask("/bucket/b"), await ask("/bucket/c")]).toEqual([
      "503 told to fail\n",
      "200 GET /other signed.example",
      "503 told to fail\n",
      "200 GET /bucket/c signed.example",
    ]);
    expect(await httpProxy.counts()).toMatchObject({ failed: 2, requests: 4 });
  });

  it("is refused under a name that is none of a file", async () => {
    await expect(startFaultProxy({ folder, name: "../x", target: proxy.at })).rejects.toThrow('fault proxy: name: "../x" is not allowed');
  });
});
