/** A command cannot do what it was asked for. The message is for whoever typed it. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** By name, because loading what throws them would take a credential helper longer than its work. */
const foreseen = new Set(["CannotStart", "CommandFailed", "CallFailed", "CredentialsUnusable"]);

/** What went wrong, for people. Only what nobody foresaw keeps its stack. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return unforeseen(String(error));
  if (error.name === "ConfigError") {
    return ["berth: the configuration cannot be used", ...error.message.split("\n").map((line) => `  ${line}`)].join(
      "\n",
    );
  }
  return foreseen.has(error.name) ? `berth: ${error.message}` : unforeseen(error.stack);
}

function unforeseen(what: string | undefined): string {
  return `berth: an error that nobody foresaw; please report it\n${what}`;
}
