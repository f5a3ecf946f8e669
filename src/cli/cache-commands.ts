import type { Command } from "commander";
import { configOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth cache`: what stands behind repositories that are pulled through. */
export function addCacheCommands(program: Command): void {
  const jsonOption = ["--json", "print the result as JSON"] as const;

  const cache = program
    .command("cache")
    .summary("show pull through cache rules, and say what they fetch")
    .description(
      "Pull through cache rules, which `aws ecr create-pull-through-cache-rule` makes, and what they can say beyond ECR. Asks the server with the AWS key pair of this shell.",
    );

  cache
    .command("list")
    .description("List the pull through cache rules of the registry.")
    .summary("list rules")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./cache.ts"), "listRules"));

  const options = cache
    .command("options")
    .summary("say how long tags count, and what is fetched")
    .description("What a pull through cache rule says beyond ECR.");

  options
    .command("show")
    .argument("<prefix>", "of the rule, or ROOT")
    .description("Show how long tags of a rule count, and which tags and repositories it fetches.")
    .summary("show them")
    .option(...configOption)
    .option(...jsonOption)
    .action(lazily(() => import("./cache.ts"), "showOptions"));

  options
    .command("set")
    .argument("<prefix>", "of the rule, or ROOT")
    .description(
      "Say anew how long tags of a rule count, and what it fetches. What is not given is as at the beginning.",
    )
    .summary("set them")
    .option(...configOption)
    .option("--fresh <time>", "how long a tag counts before it is compared with the upstream, such as 24h, or 0")
    .option("--allow-tag <pattern...>", "tags that are fetched, such as v*; all without")
    .option("--deny-tag <pattern...>", "tags that are not, whatever is allowed")
    .option("--allow-repository <pattern...>", "repositories of the upstream that are fetched, such as library/*")
    .option("--deny-repository <pattern...>", "repositories of the upstream that are not, whatever is allowed")
    .option(...jsonOption)
    .action(lazily(() => import("./cache.ts"), "setOptions"));
}
