/** Sockets in the file system: they reach into every network namespace, and only those reach them who may enter their folder. */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** The system's limit is 108 bytes on Linux and 104 on macOS, the zero byte at the end included. */
const longest = 103;

/**
 * Path of the socket `name` of a service whose files lie in `folder`; in a private folder of the system's temporary one where it would be too long there.
 */
export function socketPath(folder: string, name: string): string {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= longest) return path;
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 16);
  const short = join(tmpdir(), `compute-mesh-${userInfo().uid}`);
  mkdirSync(short, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(short);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0) throw new Error(`${short} is open to others: remove it`);
  return join(short, `${hash}.sock`);
}

/** Removes a socket whose owner has ended. */
export function removeSocket(path: string): void {
  rmSync(path, { force: true });
}

/** An answer over a socket. */
export interface SocketAnswer {
  status: number;
  body: string;
}

/** One HTTP request over a socket. Throws where nobody answers within 5 s. */
export function requestSocket(socket: string, method: string, path: string, body?: string): Promise<SocketAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, method, path, timeout: 5000, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer within 5 s`)));
    call.once("error", reject);
    call.end(body);
  });
}
