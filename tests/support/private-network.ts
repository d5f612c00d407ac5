/** A network namespace of a test's own, with addresses that look like those of pods, small servers on them, and requests from inside. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startWatchdog } from "../../tools/cluster-run";
import { type ServicePlace, startServiceProcess, stopServices, untilServing } from "../../tools/live/services";
import { untilListening } from "../../tools/live/services-listening";
import { recordedProcesses, stopProcess } from "../../tools/processes";

/** Why namespaces cannot be made here; undefined where they can. */
export function namespacesMissing(): string | undefined {
  const child = spawnSync("unshare", ["-rn", "sh", "-c", "ip link set lo up && ip addr add 198.18.0.1/32 dev lo"], { encoding: "utf8" });
  if (child.status === 0) return undefined;
  return `no network namespaces: ${child.error?.message ?? child.stderr.trim()}`;
}

/** An answer to a request from inside. */
export interface InsideAnswer {
  status: number;
  body: string;
}

/** A request from inside. */
export interface InsideRequest {
  url: string;
  method?: string;
  headers?: Record<string, string>;
}

export interface PrivateNetwork {
  /** Folder, and the command that enters. */
  place: ServicePlace & { prefix: string[] };
  /** Starts a server at an address that answers every request with its name, its path and its headers as JSON. */
  backend(name: string, address: string, port: number): Promise<void>;
  /** Sends requests one after the other. */
  request(requests: readonly InsideRequest[]): Promise<InsideAnswer[]>;
  /** Ends everything inside, and removes the folder. */
  stop(): Promise<void>;
}

const backendProgram = `
const [name, host, port] = process.argv.slice(1);
require("node:http").createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name, method: request.method, url: request.url, headers: request.headers }));
}).listen(Number(port), host);
`;

// node:http and not fetch, which refuses to send another Host.
const clientProgram = `
const http = require("node:http");
const send = ({ url, method = "GET", headers = {} }) => new Promise((resolve, reject) => {
  http.request(url, { method, headers, timeout: 10000 }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (text) => (body += text)).on("end", () => resolve({ status: response.statusCode, body }));
  }).on("error", reject).end();
});
(async () => {
  const answers = [];
  for (const request of JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"))) answers.push(await send(request));
  process.stdout.write(JSON.stringify(answers));
})();
`;

/** Where Debian and those that follow it keep the certificate authorities that everybody trusts. */
const systemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Makes a namespace with these addresses; one with a length, as 198.18.0.0/16, is all of that net. All of it ends with the test's process, in whatever way
 * that ends.
 *
 * @param trusted makes the file of the certificate authorities that everybody inside trusts, in the network's folder. Default: those of this machine
 */
export async function privateNetwork(addresses: readonly string[], trusted?: (folder: string) => string): Promise<PrivateNetwork> {
  const folder = mkdtempSync(join(tmpdir(), "compute-mesh-net-"));
  startWatchdog(folder);
  const authorities = trusted?.(folder);
  const add = addresses.map((address) => `ip addr add ${address.includes("/") ? address : `${address}/32`} dev lo;`).join(" ");
  const trust = authorities === undefined ? "" : `mount --bind "$2" ${systemAuthorities} || exit 1;`;
  const script = `ip link set lo up; ${add} ${trust} touch "$1"; exec sleep 2147483`;
  const own = authorities === undefined ? "-rn" : "-rnm";
  const holder = await startServiceProcess(
    { folder },
    { name: "namespace", binary: "unshare", args: [own, "sh", "-c", script, "sh", join(folder, "up"), authorities ?? ""] },
  );
  await untilServing("namespace", { folder }, [holder], () => existsSync(join(folder, "up")), 15);
  const enter = ["--user", "--net", ...(authorities === undefined ? [] : ["--mount"])];
  const prefix = ["nsenter", "--preserve-credentials", ...enter, `--target=${holder.pid}`];
  const place = { folder, prefix };
  let requests = 0;
  return {
    place,
    backend: async (name, address, port) => {
      const args = ["-e", backendProgram, name, address, String(port)];
      const recorded = await startServiceProcess(place, { name: `backend-${name}`, binary: process.execPath, args });
      await untilListening(name, { ...place, address }, [recorded], [port]);
    },
    request: async (list) => {
      requests += 1;
      const file = join(folder, `requests-${requests}.json`);
      writeFileSync(file, JSON.stringify(list));
      const [command, ...args] = [...prefix, process.execPath, "-e", clientProgram, file];
      const { stdout } = await promisify(execFile)(command, args, { maxBuffer: 64 * 1024 * 1024 });
      return JSON.parse(stdout) as InsideAnswer[];
    },
    stop: async () => {
      await stopServices(folder, 0);
      for (const recorded of recordedProcesses(join(folder, "pids"))) await stopProcess(recorded, 0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
