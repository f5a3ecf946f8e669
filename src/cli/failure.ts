import { ConfigError } from "../config.ts";
import { CannotStart } from "../opening.ts";
import { CallFailed } from "./api/client.ts";
import { CredentialsUnusable } from "./api/credentials.ts";

/** A command cannot do what it was asked for. The message is for whoever typed it. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** What went wrong, for people. Only what nobody foresaw keeps its stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    return ["berth: the configuration cannot be used", ...error.message.split("\n").map((line) => `  ${line}`)].join(
      "\n",
    );
  }
  const foreseen = [CannotStart, CommandFailed, CallFailed, CredentialsUnusable];
  if (foreseen.some((kind) => error instanceof kind)) return `berth: ${(error as Error).message}`;
  return `berth: an error that nobody foresaw; please report it\n${error instanceof Error ? error.stack : String(error)}`;
}
