/** Official downloads: with checksums, and without hanging where there is no way out to the internet. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { basename } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf } from "./files";

const connectMilliseconds = 5_000;
const silenceMilliseconds = 30_000;

/** Why downloads do not work in this run; set by the first one that could not connect, so that it is not tried again for each tool. */
let unreachable: string | undefined;

/** Why no download is tried; undefined while downloads are possible. `COMPUTE_MESH_OFFLINE=1` switches them off. */
export function downloadsOff(): string | undefined {
  const offline = process.env.COMPUTE_MESH_OFFLINE;
  if (offline !== undefined && offline !== "" && offline !== "0") return "switched off by COMPUTE_MESH_OFFLINE";
  return unreachable;
}

/** Forgets that downloads failed; for tests. */
export function forgetDownloadFailure(): void {
  unreachable = undefined;
}

/** A server that could not be reached at all, in contrast to one that says no. */
class UnreachableError extends Error {}

function open(url: string, redirects = 5): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (!url.startsWith("https://")) return reject(new Error(`${url} is not an https address`));
    const request = get(url, { headers: { "user-agent": "compute-mesh" } });
    const timer = setTimeout(
      () => request.destroy(new UnreachableError(`no answer within ${connectMilliseconds / 1000} s`)),
      connectMilliseconds,
    );
    request.once("error", (error) => {
      clearTimeout(timer);
      reject(new UnreachableError(`${new URL(url).host}: ${error.message}`));
    });
    request.once("response", (response) => {
      clearTimeout(timer);
      const status = response.statusCode ?? 0;
      if (status >= 300 && status < 400 && response.headers.location) {
        response.resume();
        if (redirects === 0) return reject(new Error(`${url}: too many redirects`));
        return resolve(open(new URL(response.headers.location, url).href, redirects - 1));
      }
      if (status !== 200) {
        response.resume();
        return reject(new Error(`${url}: HTTP ${status}`));
      }
      response.setTimeout(silenceMilliseconds, () => response.destroy(new Error(`${url}: no data for ${silenceMilliseconds / 1000} s`)));
      resolve(response);
    });
  });
}

/** Throws where the server cannot be reached within a few seconds; any answer of it will do. Remembered like a failed download. */
export async function reachable(url: string): Promise<void> {
  const off = downloadsOff();
  if (off !== undefined) throw new Error(`downloads: ${off}`);
  try {
    (await open(url)).destroy();
  } catch (error) {
    if (!(error instanceof UnreachableError)) return;
    unreachable = messageOf(error);
    throw error;
  }
}

/** Downloads to a file. `onProgress` gets bytes so far and, where known, in all. Throws where it fails; nothing is left behind then. */
export async function download(url: string, file: string, onProgress?: (bytes: number, total?: number) => void): Promise<void> {
  const off = downloadsOff();
  if (off !== undefined) throw new Error(`downloads: ${off}`);
  try {
    const response = await open(url);
    const total = Number(response.headers["content-length"]) || undefined;
    let bytes = 0;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        onProgress?.(bytes, total);
        done(undefined, chunk);
      },
    });
    await pipeline(response, counter, createWriteStream(file));
    if (total !== undefined && bytes !== total) throw new Error(`${url}: ended after ${bytes} of ${total} bytes`);
  } catch (error) {
    rmSync(file, { force: true });
    if (error instanceof UnreachableError) unreachable = messageOf(error);
    throw error;
  }
}

/** The SHA-256 of a file as hexadecimal text. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** The sum of `fileName` in a published list: the sum alone, or lines of sum and file name. Undefined where it is not in it. */
export function checksumIn(list: string, fileName: string): string | undefined {
  const lines = list.split("\n").map((line) => line.trim().split(/\s+/));
  const named = lines.find(([, name]) => name?.replace(/^\*/, "").replace(/^\.\//, "") === fileName);
  const only = lines.length > 0 && lines[0].length === 1 ? lines[0] : undefined;
  const sum = (named ?? only)?.[0]?.toLowerCase();
  return sum !== undefined && /^[0-9a-f]{64}$/.test(sum) ? sum : undefined;
}

/** Checks a downloaded file against the published list of sums. Throws where they differ or the list does not name it. */
export async function verifyChecksum(file: string, url: string, checksumUrl: string): Promise<void> {
  const listFile = `${file}.sums`;
  try {
    await download(checksumUrl, listFile);
    const wanted = checksumIn(readFileSync(listFile, "utf8"), basename(new URL(url).pathname));
    if (wanted === undefined) throw new Error(`${checksumUrl} has no SHA-256 of ${basename(url)}`);
    const found = await sha256OfFile(file);
    if (found !== wanted) throw new Error(`${url}: SHA-256 is ${found}, but ${checksumUrl} says ${wanted}`);
  } finally {
    rmSync(listFile, { force: true });
  }
}
