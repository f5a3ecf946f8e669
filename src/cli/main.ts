import { Command } from "commander";
import { addAccountCommands } from "./account-commands.ts";
import { addCacheCommands } from "./cache-commands.ts";
import { configOption, dataOption } from "./common-options.ts";
import { addCopyCommands } from "./copy-commands.ts";
import { describeFailure } from "./failure.ts";
import { addJobCommands } from "./job-commands.ts";
import { lazily } from "./lazily.ts";
import { commandLine } from "./names.ts";
import { addReplicationCommands } from "./replication-commands.ts";
import { addRetentionCommands } from "./retention-commands.ts";
import { addTlsCommands } from "./tls-commands.ts";
import { printVersion, version } from "./version.ts";

const args = commandLine(process);
const isAskedForHelp = args.some((arg) => ["help", "--help", "-h"].includes(arg));
const settings = isAskedForHelp ? (await import("./settings.ts")).settingsTable() : "";

const program = new Command("berth")
  .description("A container registry of your own that speaks Amazon ECR's APIs.")
  .version(version, "-V, --version", "print the version")
  .helpCommand("help [command]", "explain a command")
  .configureHelp({ sortSubcommands: false })
  .addHelpText("after", "\nWithout a command, berth serves. `berth serve --help` lists all settings.");

const helperOption = [
  "-c, --config <file>",
  "read the settings from this file instead of ~/.berth/helper.yaml",
] as const;

program
  .command("serve", { isDefault: true })
  .description("Run the registry until SIGTERM or Ctrl-C, which finish the requests in flight; a second one does not.")
  .summary("run the registry")
  .option(...configOption)
  .addHelpText("after", settings)
  .action(lazily(() => import("./serve.ts"), "serve"));

program
  .command("env")
  .description(
    'Print what points the AWS CLI and SDKs of this shell at the registry, with the root key pair: eval "$(berth env)"',
  )
  .summary("print the variables for the AWS CLI and SDKs")
  .option(...configOption)
  .action(lazily(() => import("./env.ts"), "printEnv"));

addAccountCommands(program);

addTlsCommands(program);

const kms = program
  .command("kms")
  .summary("manage the keys that have no API")
  .description(
    "The master key wraps all encryption keys: those that the API of KMS makes, and the server's own, which seals what these do not.",
  );

kms
  .command("rotate-master")
  .description(
    "Wrap all encryption keys with a new master key. The server may run meanwhile. What was encrypted stays as it is. Where BERTH_KMS_MASTER_KEY or systemd has the master key, put the new one before the old one first, with a comma between them.",
  )
  .summary("put a new master key in the place of the one of today")
  .option(...configOption)
  .action(lazily(() => import("./kms.ts"), "rotateMaster"));

kms
  .command("rotate-server-key")
  .description(
    "Seal layers that come from now on by new material of the server's own key, as happens every year by itself. The server may run meanwhile. What was sealed before stays as it is, and readable.",
  )
  .summary("give the server's own key new material")
  .option(...configOption)
  .action(lazily(() => import("./kms.ts"), "rotateServerKey"));

program
  .command("migrate")
  .description("Bring the database up to date. Every start does so too; this does it before, or elsewhere.")
  .summary("bring the database up to date")
  .option(...configOption)
  .action(lazily(() => import("./migrate.ts"), "migrate"));

program
  .command("gc")
  .description(
    "Remove what nobody needs any more: layers that no image refers to, blobs that no repository has. The server does so by itself; this does it now, also while it runs.",
  )
  .summary("collect garbage now")
  .option(...configOption)
  .option("--dry-run", "say what would be freed, and change nothing")
  .option(
    "--grace <time>",
    "how long something must have been of no use, such as 24h or 30m (the setting gc.grace); with less than a push takes, pushes in progress have to begin again",
  )
  .option("--strays", "also walk the whole store for copies that crashes left behind")
  .option("--json", "print the result as JSON")
  .action(lazily(() => import("./gc.ts"), "gc"));

program
  .command("check")
  .description(
    "Compare the blob store with the metadata, both ways, also while the server runs. Blobs that are missing or damaged are kept from being served, so that a push of the same content mends them. Ends with 0 when all is in order, with 1 when a problem remains, with 2 when it could not run.",
  )
  .summary("check that everything is there and whole")
  .option(...configOption)
  .option(...dataOption)
  .option("--rehash", "also read every blob and compare its bytes with its digest")
  .option("--rate <MiB>", "how fast blobs are read, in MiB per second; 0 for no limit (default: 100)")
  .option("--repair", "mend what can be mended, and remove what nothing names")
  .option("--json", "print the report as JSON")
  .action(lazily(() => import("./check.ts"), "runCheck"));

program
  .command("seal")
  .description(
    "Seal the blobs that are stored as they came: from before Berth sealed them, or from a time when encryption.atRest left them to the volume. The server may run meanwhile. Each gets a sealed copy, so there must be room for it until garbage collection has removed the plain one. One that was interrupted goes on where it stood.",
  )
  .summary("seal blobs that are stored as they came")
  .option(...configOption)
  .option(...dataOption)
  .option("--dry-run", "say how much there is to seal, and change nothing")
  .option("--rate <MiB>", "how fast blobs are read, in MiB per second; 0 for no limit", "100")
  .option("--json", "print the result as JSON")
  .action(lazily(() => import("./seal.ts"), "runSeal"));

program
  .command("backup")
  .argument("<dir>", "where the backup is, or is to be")
  .description(
    "Add a snapshot of the registry to a backup, also while the server runs: everything that was acknowledged before it began. Only blobs that the backup does not have are copied. The backup holds the root key pair and other keys: keep it as you keep them.",
  )
  .summary("back everything up, while the server runs")
  .option(...configOption)
  .option(...dataOption)
  .option("--keep <number>", "how many snapshots stay, with their blobs", "7")
  .option("--rate <MiB>", "how fast blobs are read, in MiB per second; 0 for no limit", "0")
  .option("--json", "print the result as JSON")
  .action(lazily(() => import("./backup.ts"), "runBackup"));

program
  .command("restore")
  .argument("<dir>", "where the backup is")
  .description(
    "Bring a backup back, into a data directory, a database and a blob store that are empty, and check the result. One that was interrupted goes on where it stood.",
  )
  .summary("restore a backup")
  .option(...configOption)
  .option("--into <dir>", "the data directory, instead of the one in the settings")
  .option("--snapshot <name>", "which one; the newest without")
  .option(
    "--master-key-lost",
    "do without the master key: what it protects comes as it is, and can be read by nobody unless the key turns up",
  )
  .option("--json", "print the result as JSON")
  .action(lazily(() => import("./restore.ts"), "runRestore"));

addJobCommands(program);

addCopyCommands(program);

addRetentionCommands(program);
addCacheCommands(program);
addReplicationCommands(program);

const audit = program
  .command("audit")
  .description("Verify and export the audit trail: who did what, and what decided it.")
  .summary("verify and export the audit trail");

audit
  .command("verify")
  .description(
    "Walk the chain of hashes over all audit records, also while the server runs. Ends with 0 when nothing was changed, removed or put in, with 1 when something was, with 2 when it could not run.",
  )
  .summary("check that no audit record was changed")
  .option(...configOption)
  .option(...dataOption)
  .option("--noted <sequence:hash>", "an end of the chain that was noted before, which must still be in it")
  .option("--json", "print the result as JSON")
  .action(lazily(() => import("./audit.ts"), "verifyAudit"));

audit
  .command("export")
  .description("Print audit records, oldest first, one JSON document a line, each in CloudTrail's form.")
  .summary("print audit records")
  .option(...configOption)
  .option(...dataOption)
  .option("--since <time>", "only what happened from then on, such as 2026-03-01 or 2026-03-01T12:00:00Z")
  .option("--until <time>", "only what happened before then")
  .action(lazily(() => import("./audit.ts"), "exportAudit"));

program
  .command("explain")
  .argument("[request-id]", "of a request that was denied; clients show it")
  .description(
    "Say why a request was denied, or what would be decided: which policies say what, which statement decides, which condition keys are missing, and what would help. Asks the server with the AWS key pair of this shell. Everybody may ask about themselves; about others, who may call iam:SimulatePrincipalPolicy on them.",
  )
  .summary("say why something is allowed or denied")
  .option(...configOption)
  .option("--principal <arn>", "who would do it (whoever asks)")
  .option("--action <action>", "what would be done, such as ecr:PutImage")
  .option("--resource <arn>", "to what (*)")
  .option(
    "--context <key=value>",
    "a condition key of the request, such as aws:SourceIp=10.0.0.1; any number of times",
    (pair: string, pairs: readonly string[]) => [...pairs, pair],
    [],
  )
  .option("--json", "print the answer as JSON")
  .action(lazily(() => import("./explain.ts"), "explain"));

program
  .command("usage")
  .argument("[repository]", "one repository, counted now; without it all of the registry, by size, as last measured")
  .description(
    "Say what storage is used for: images, bytes of layers, how many of them are shared, archived or wait for garbage collection. Asks the server with the AWS key pair of this shell, whose user needs berth:GetRepositoryUsage, berth:ListUsage or berth:GetUsageHistory.",
  )
  .summary("say what storage is used for")
  .option(...configOption)
  .option("--history", "day by day, newest first")
  .option("--limit <number>", "how many repositories, or days, at the most", "100")
  .option("--json", "print the answer as JSON, in bytes")
  .action(lazily(() => import("./usage.ts"), "usage"));

program
  .command("docker-credential")
  .argument("<action>", "get, list, store, erase or version")
  .description(
    "Give Docker a password for the registry, so that nobody has to log in: what `docker-credential-berth` does. Docker runs it where its configuration says `credHelpers`; the AWS variables, or ~/.berth/helper.yaml, say where Berth is and who asks.",
  )
  .summary("be Docker's credential helper")
  .option(...helperOption)
  .action(lazily(() => import("./docker-credential.ts"), "dockerCredential"));

program
  .command("credential-provider")
  .description(
    "Give kubelet a password for the registry: what `berth-credential-provider` does. kubelet runs it for the images that its CredentialProviderConfig names, and may send the token of the pod's service account, whose role is assumed then.",
  )
  .summary("be kubelet's image credential provider")
  .option(...helperOption)
  .action(lazily(() => import("./credential-provider.ts"), "provideCredentials"));

program.command("version").summary("print the version").description("Print the version.").action(printVersion);

// What `serve` starts when it is to be several processes. Nobody else has a use for it.
program
  .command("worker", { hidden: true })
  .argument("<number>")
  .argument("<version>")
  .action(lazily(() => import("./worker.ts"), "work"));

// Without this, a misspelt command would be an argument too many of `serve`.
const [first] = args;
const known = ["help", ...program.commands.map((command) => command.name())];
if (first !== undefined && !first.startsWith("-") && !known.includes(first)) {
  const shown = known.filter((name) => name !== "worker");
  program.error(`error: there is no command '${first}'; there are ${shown.join(", ")}`);
}

try {
  await program.parseAsync(args, { from: "user" });
} catch (error) {
  console.error(describeFailure(error));
  process.exit(1);
}
