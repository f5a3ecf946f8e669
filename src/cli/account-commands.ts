import type { Command } from "commander";
import { configOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth account`: accounts beside the configured one. */
export function addAccountCommands(program: Command): void {
  const account = program
    .command("account")
    .summary("make and manage accounts")
    .description(
      "Accounts beside the configured one. Each has its own registries, users, roles and policies. The server may run meanwhile: it sees a change within a second.",
    );

  account
    .command("create")
    .argument("<name>", "what it is called")
    .description(
      "Make an account, and print its id and its root user's key pair: the only time that the secret is shown.",
    )
    .summary("make an account")
    .option(...configOption)
    .option("--id <digits>", "its id, twelve digits; random ones without")
    .option("--email <address>", "an email address that no other account has; without, one that nobody can have")
    .option("--json", "print the result as JSON")
    .option("--env", 'print it as variables for the AWS CLI and SDKs: eval "$(berth account create dev --env)"')
    .action(lazily(() => import("./account.ts"), "createAccount"));

  account
    .command("list")
    .description("List all accounts.")
    .summary("list accounts")
    .option(...configOption)
    .option("--json", "print the result as JSON")
    .action(lazily(() => import("./account.ts"), "listAccounts"));

  account
    .command("suspend")
    .argument("<id>")
    .description("Let nobody of the account do anything any more. What it holds stays.")
    .summary("lock an account")
    .option(...configOption)
    .action(lazily(() => import("./account.ts"), "suspendAccount"));

  account
    .command("resume")
    .argument("<id>")
    .description("Undo a suspension.")
    .summary("unlock an account")
    .option(...configOption)
    .action(lazily(() => import("./account.ts"), "resumeAccount"));

  account
    .command("join")
    .argument("<id>")
    .description(
      "Put an account into the organization, under its root. For accounts that were made with `berth account create`, or have left.",
    )
    .summary("put an account into the organization")
    .option(...configOption)
    .action(lazily(() => import("./account.ts"), "joinOrganization"));

  account
    .command("new-root-key")
    .argument("<id>")
    .description(
      "Make a new key pair for the account's root user and print it. The one before, and whatever was made with it, is of no use from then on.",
    )
    .summary("replace the root key pair of an account")
    .option(...configOption)
    .option("--json", "print the result as JSON")
    .option("--env", "print it as variables for the AWS CLI and SDKs")
    .action(lazily(() => import("./account.ts"), "newRootKey"));
}
