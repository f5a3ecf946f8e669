import type { Command } from "commander";
import { configOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth hold`, `protect`, `undelete` and `lifecycle`: what is kept, and why. */
export function addRetentionCommands(program: Command): void {
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

  program
    .command("protect")
    .argument("<repository>")
    .description("Protect a repository against deletion. Its images can still be deleted: see `berth hold`.")
    .summary("protect a repository against deletion")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./protect.ts"), "protect"));

  program
    .command("unprotect")
    .argument("<repository>")
    .description("Let a repository be deleted again.")
    .summary("let a repository be deleted again")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./protect.ts"), "unprotect"));

  program
    .command("undelete")
    .argument("[name]", "REPOSITORY@DIGEST, or REPOSITORY for a whole one")
    .description(
      "Bring back what was deleted, within the time of the setting undelete.window. An image comes back with what it lists, with its signatures, and with those of its tags that no other image has by now; a repository with all that it had.",
    )
    .summary("bring back what was deleted")
    .option(...configOption)
    .option("--list", "list what can be brought back: repositories, or images of the one that is named")
    .option("--no-tags", "leave the tags of images out")
    .option(...jsonOption)
    .action(lazily(() => import("./undelete.ts"), "undelete"));

  const lifecycle = program
    .command("lifecycle")
    .summary("ask what lifecycle policies do, and say what they may not")
    .description(
      "What the lifecycle policy of a repository does with each image and why, what another one would do, and what is retained whatever it says. Asks the server with the AWS key pair of this shell.",
    );

  const retentionOption = ["--retention <file>", "with this retention document instead of the one of today"] as const;
  const limitOption = ["--limit <number>", "how many images are shown, at most 1000000", "1000"] as const;

  lifecycle
    .command("explain")
    .argument("<name>", "REPOSITORY for all its images, or REPOSITORY:TAG or REPOSITORY@DIGEST")
    .description(
      "Say of images whether the lifecycle policy deletes, archives or keeps them, and why. Nothing is done.",
    )
    .summary("say why images stay or go")
    .option(...configOption)
    .option("--policy <file>", "by this policy instead of the one of today; - for standard input")
    .option(...retentionOption)
    .option(...limitOption)
    .option(...jsonOption)
    .action(lazily(() => import("./lifecycle.ts"), "explainLifecycle"));

  lifecycle
    .command("diff")
    .argument("<repository>")
    .argument("[policy]", "a file with another policy; - for standard input")
    .description(
      "Compare another lifecycle policy with the one of today, image by image. Nothing is done. Ends with 0 when they do the same with every image, with 1 when they do not, with 2 when it could not ask.",
    )
    .summary("say what another policy would do")
    .option(...configOption)
    .option(...retentionOption)
    .option(...limitOption)
    .option(...jsonOption)
    .action(lazily(() => import("./lifecycle.ts"), "diffLifecycle"));

  const retain = lifecycle
    .command("retain")
    .summary("say what policies may not touch")
    .description("The retention of a repository: rules that come before those of its lifecycle policy, and more.");

  retain
    .command("show")
    .argument("<repository>")
    .description("Show the retention of a repository.")
    .summary("show it")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./retain.ts"), "showRetention"));

  retain
    .command("set")
    .argument("<repository>")
    .argument("[file]", "a retention document; - for standard input")
    .description("Set the retention document of a repository, or whether evaluations only report, or both.")
    .summary("set it")
    .option(...configOption)
    .option("--report-only <on|off>", "whether evaluations of the lifecycle policy plan and touch nothing")
    .option(...jsonOption)
    .action(lazily(() => import("./retain.ts"), "setRetention"));

  retain
    .command("clear")
    .argument("<repository>")
    .description("Remove the retention document of a repository, and let evaluations act.")
    .summary("remove it")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./retain.ts"), "clearRetention"));
}
