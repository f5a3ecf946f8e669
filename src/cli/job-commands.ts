import type { Command } from "commander";
import { configOption, dataOption } from "./common-options.ts";
import { lazily } from "./lazily.ts";

/** `berth jobs`: what is done in the background. */
export function addJobCommands(program: Command): void {
  const jobs = program
    .command("jobs")
    .summary("look at background jobs, and care for those that failed")
    .description(
      "Background jobs are in the database, and whichever process is free does them. One that has failed as often as it may is dead: it waits for somebody to retry or discard it, and is forgotten after 90 days. The server may run meanwhile.",
    );

  const kindOption = ["--kind <kind>", "only of this kind, such as registry.sweep-strays"] as const;
  const limitOption = ["--limit <number>", "how many are shown, at most 10000", "100"] as const;

  jobs
    .command("list")
    .description("List the jobs that run, and those that wait, and how many there are of each kind.")
    .summary("list jobs")
    .option(...configOption)
    .option(...dataOption)
    .option(...kindOption)
    .option("--state <state>", "only those that are waiting, running, dead or done")
    .option(...limitOption)
    .option("--json", "print the result as JSON, with payloads")
    .action(lazily(() => import("./jobs.ts"), "listJobs"));

  jobs
    .command("dead")
    .description("List the jobs that have failed for the last time, and what went wrong.")
    .summary("list jobs that have failed for the last time")
    .option(...configOption)
    .option(...dataOption)
    .option(...kindOption)
    .option(...limitOption)
    .option("--json", "print the result as JSON, with payloads")
    .action(lazily(() => import("./jobs.ts"), "listDead"));

  jobs
    .command("schedules")
    .description("List what is done again and again: how often, when last, and when next.")
    .summary("list schedules")
    .option(...configOption)
    .option(...dataOption)
    .option(...limitOption)
    .option("--json", "print the result as JSON, with payloads")
    .action(lazily(() => import("./jobs.ts"), "listSchedules"));

  jobs
    .command("retry")
    .argument("[ids...]", "which ones: numbers that `berth jobs dead` shows")
    .description(
      "Let dead jobs run again, with all their attempts and from where they had come to. Ends with 1 when one of them is not dead.",
    )
    .summary("let dead jobs run again")
    .option(...configOption)
    .option(...dataOption)
    .option("--all", "all that are dead")
    .option(...kindOption)
    .option("--json", "print the result as JSON")
    .action(lazily(() => import("./jobs.ts"), "retryJobs"));

  jobs
    .command("discard")
    .argument("[ids...]", "which ones: numbers of jobs that are dead, or that wait")
    .description("Take jobs away without doing them. Ends with 1 when one of them is neither dead nor waiting.")
    .summary("take jobs away")
    .option(...configOption)
    .option(...dataOption)
    .option("--all", "all that are dead")
    .option(...kindOption)
    .option("--json", "print the result as JSON")
    .action(lazily(() => import("./jobs.ts"), "discardJobs"));
}
