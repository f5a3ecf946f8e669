import type { Command } from "commander";
import { configOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth replicate …`: what goes to other registries, and how far it is. */
export function addReplicationCommands(program: Command): void {
  const jsonOption = ["--json", "print the result as JSON"] as const;
  const module = () => import("./replicate.ts");

  const replicate = program
    .command("replicate")
    .summary("send images to other registries, and see how far they are")
    .description(
      "Where images go is said by replication rules (aws ecr put-replication-configuration). These commands send what no push sends, and say what goes along. They ask the server with the AWS key pair of this shell.",
    );

  replicate
    .command("images")
    .argument("<name>", "REPOSITORY for all its images, or REPOSITORY:TAG or REPOSITORY@DIGEST")
    .description("Send images now: to all destinations that rules name for the repository, or to one.")
    .summary("send images now")
    .option(...configOption)
    .option("--to <destination>", "ACCOUNT/REGION, which no rule need name")
    .option(...jsonOption)
    .action(lazily(module, "replicateImages"));

  replicate
    .command("status")
    .argument("<image>", "REPOSITORY:TAG or REPOSITORY@DIGEST")
    .description("Say how far an image is on its way to each destination.")
    .summary("say how far an image is")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(module, "replicationStatus"));

  replicate
    .command("backfill")
    .argument("<destination>", "ACCOUNT/REGION, as a rule names it")
    .description(
      "Send what was there before the rules to a destination, and show the progress until all is there. Ctrl-C leaves it going on; --stop ends it. Ends with 1 when something did not arrive.",
    )
    .summary("send what was there before the rules")
    .option(...configOption)
    .option("--no-wait", "begin it and print its id")
    .option("--stop", "stop the one that is under way")
    .option(...jsonOption)
    .action(lazily(module, "backfill"));

  replicate
    .command("options")
    .description("Show or change what replication does beyond ECR's. What is not given stays as it is.")
    .summary("show or change what goes along")
    .option(...configOption)
    .option("--deletes <on|off>", "whether images that somebody deletes are deleted at the destinations")
    .option("--untags <on|off>", "whether tags that somebody removes are removed there")
    .option("--tags <wildcards>", 'only images with such a tag go, under such tags: v*,release-*; "" for all')
    .option(
      "--settings <names>",
      'what of a repository goes along: tagMutability,repositoryPolicy,lifecyclePolicy,resourceTags; "" for nothing',
    )
    .option(...jsonOption)
    .action(lazily(module, "replicationOptions"));
}
