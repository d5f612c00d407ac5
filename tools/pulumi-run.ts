/** The Pulumi CLI as the commands of this tool chain run it. */
import { spawn } from "node:child_process";
import { projectRoot } from "./paths";

/** Runs the Pulumi CLI in the project with its output shown; returns its exit code. */
export function pulumi(env: NodeJS.ProcessEnv, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, { cwd: projectRoot, env, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** Runs the Pulumi CLI in the project; returns what it prints. Throws with its messages where it fails. */
export function pulumiOutput(env: NodeJS.ProcessEnv, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, { cwd: projectRoot, env, stdio: ["ignore", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0
        ? resolve(Buffer.concat(out).toString())
        : reject(new Error(`pulumi ${args.join(" ")} failed:\n${Buffer.concat(err).toString()}`)),
    );
  });
}
