import { basename } from "node:path";

/** Programs that others start by a name of their own: the executable under that name is one of its commands. */
const commandsByName = new Map([
  ["docker-credential-berth", "docker-credential"],
  ["berth-credential-provider", "credential-provider"],
]);

/** What the program was asked for, whatever name it was started by. */
export function commandLine({ argv0, argv }: Pick<NodeJS.Process, "argv0" | "argv">): string[] {
  const command = commandsByName.get(basename(argv0).replace(/\.exe$/i, ""));
  const args = argv.slice(2);
  return command === undefined ? args : [command, ...args];
}
