import type { Command } from "commander";
import { lazily } from "./lazily.ts";

/** `berth hold`, `protect`, `undelete` and `lifecycle`: what is kept, and why. */
export function addRetentionCommands(program: Command): void {
  const configOption = ["-c, --config <file>", "read the settings from this file instead of ./berth.yaml"] as const;
  const jsonOption = ["--json", "print the result as JSON"] as const;

  const hold = program
    .command("hold")
    .summary("keep images from being deleted")
    .description(
      "A hold keeps an image, for a reason and perhaps until a time: no request, no lifecycle policy and no garbage collection deletes or archives it. A tag that is held stays where it is as well. Asks the server with the AWS key pair of this shell.",
    );

  hold
    .command("add")
    .argument("<image>", "REPOSITORY:TAG or REPOSITORY@DIGEST")
    .description("Hold an image by a tag that it has, or by its digest. Once more changes reason and end.")
    .summary("hold an image")
    .option(...configOption)
    .requiredOption("--reason <text>", "why, for whoever wants to delete it")
    .option("--until <time>", "the end of the hold, such as 2027-01-01 or 2027-01-01T12:00:00Z; never without")
    .option(...jsonOption)
    .action(lazily(() => import("./hold.ts"), "addHold"));

  hold
    .command("list")
    .argument("<repository>")
    .description("List what is held in a repository, why, by whom, and until when.")
    .summary("list holds")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./hold.ts"), "listHolds"));

  hold
    .command("remove")
    .argument("<image>", "as it was held: REPOSITORY:TAG or REPOSITORY@DIGEST")
    .description("Let an image go again.")
    .summary("end a hold")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./hold.ts"), "removeHold"));
}
