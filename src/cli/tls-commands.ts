import type { Command } from "commander";
import { configOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth tls`: certificates of our own making. */
export function addTlsCommands(program: Command): void {
  const tls = program
    .command("tls")
    .summary("make certificates of your own")
    .description(
      "Make a private authority, and certificates of the server, for where no other authority can be asked.",
    );

  const outOption = ["--out <dir>", "the folder of the files (DATA/tls)"] as const;
  const daysOption = ["--days <number>", "how long the server's certificate is valid, at most 825", "397"] as const;
  const hostOption = [
    "--host <name>",
    "one more name or address of the server, or *.NAME; any number of times",
    (name: string, names: readonly string[]) => [...names, name],
    [],
  ] as const;

  tls
    .command("init")
    .description(
      "Make a private authority and a certificate for the names that the settings tell, and print what the server and each client need to use them.",
    )
    .summary("make an authority and a certificate")
    .option(...configOption)
    .option(...hostOption)
    .option(...outOption)
    .option(...daysOption)
    .option("--force", "replace files that are there, and so the authority that clients trust")
    .action(lazily(() => import("./tls.ts"), "tlsInit"));

  tls
    .command("renew")
    .description(
      "Make another certificate from the same authority, for the same names. A server that uses the files takes it while it runs.",
    )
    .summary("make another certificate from the same authority")
    .option(...configOption)
    .option(...hostOption)
    .option(...outOption)
    .option(...daysOption)
    .action(lazily(() => import("./tls.ts"), "tlsRenew"));

  tls
    .command("client")
    .description(
      "Make a certificate for a client from the same authority, and print what the server and each client need for it to stand for an IAM user or role.",
    )
    .summary("make a certificate for a client")
    .argument("<name>", "its common name")
    .option(...configOption)
    .option(
      "--also <name>",
      "one more name, uri:…, dns:… or email:…; any number of times",
      (name: string, names: readonly string[]) => [...names, name],
      [],
    )
    .option(...outOption)
    .option("--days <number>", "how long the certificate is valid, at most 825", "397")
    .option("--force", "replace a certificate of this name")
    .action(lazily(() => import("./tls.ts"), "tlsClient"));
}
