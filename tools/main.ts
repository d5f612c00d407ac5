/** The commands behind `npm start`, `npm run preview|destroy|cluster|placement|routes|gateway|env` and `npm test`. */
import { clusterCommand } from "./cluster-command";
import { gatewayCommand } from "./gateway/command";
import { environmentCommand } from "./pulumi-env";
import { placementCommand } from "./placement-command";
import { routesCommand } from "./routes-command";
import { destroyCommand, previewCommand, startCommand } from "./start";
import { liveCommand } from "./live/live";
import { testCommand } from "./test";

const commands: Record<string, { run: (argv: string[]) => Promise<number>; help: string }> = {
  start: { run: startCommand, help: "bring the mesh of the stack `local` up on this machine and print a summary" },
  preview: { run: previewCommand, help: "show what `start` would change" },
  destroy: { run: destroyCommand, help: "take the mesh down (asks first; --yes does not)" },
  cluster: { run: clusterCommand, help: "up | down | status | kubeconfig | delete: the embedded cluster alone" },
  env: { run: environmentCommand, help: 'print the environment for pulumi by hand: eval "$(npm run --silent env)"' },
  placement: { run: placementCommand, help: "update | check | explain | what-if: the shard map and its lock file" },
  routes: { run: routesCommand, help: "explain | picture | check: where a request goes and why, and what is wrong" },
  gateway: {
    run: gatewayCommand,
    help: "up | down | status: the real gateway for the stack `local`, with demo backends behind its routes",
  },
  live: { run: liveCommand, help: "up | down | node: the mesh of the stack `live`, real pods on real nodes of this machine" },
  test: { run: testCommand, help: "every test that needs no cloud account" },
};

async function main(argv: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = argv;
  const command = commands[name];
  if (!command) {
    const known = Object.entries(commands).map(([word, { help }]) => `  ${word.padEnd(9)} ${help}`);
    process.stderr.write([`${JSON.stringify(name)} is no command; there are:`, ...known, ""].join("\n"));
    return name === "help" ? 0 : 2;
  }
  return command.run(rest);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    // A message for people; the stack trace only where somebody asks for it.
    const detail = error instanceof Error ? (process.env["DEBUG"] ? error.stack : error.message) : String(error);
    process.stderr.write(`\n${detail}\n`);
    process.exitCode = 1;
  },
);
