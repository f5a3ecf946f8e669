import type { Command } from "commander";
import { lazily } from "./lazily.ts";

const several = (text: string, texts: readonly string[]) => [...texts, text];

/** `berth copy` and `berth import`: images between registries, layouts and archives. */
export function addCopyCommands(program: Command): void {
  program
    .command("copy")
    .argument("<src>", "where the images are")
    .argument("<dst>", "where they go")
    .summary("copy images between registries, layouts and archives")
    .description(
      "Copy images, with everything that belongs to them, between registries, OCI layouts and archives. What is there already is not sent again: a copy that was interrupted is gone on with by running it once more. Every byte is compared with its digest, and a tag is set only when all of its image is there.",
    )
    .option("--all", "all tags of a repository, all repositories of a registry, all images of a layout or archive")
    .option(
      "--include <pattern>",
      "of many images those that match REPOSITORY:TAG, with * and ?; any number of times",
      several,
      [],
    )
    .option("--exclude <pattern>", "of many images not those that match; any number of times", several, [])
    .option(
      "--platform <os/arch>",
      "of an image for several platforms only this one, such as linux/arm64; any number of times",
      several,
      [],
    )
    .option("--no-referrers", "leave signatures and whatever else refers to an image behind")
    .option("--create-repositories", "make repositories that DST, which is ECR or a Berth, does not have")
    .option("--dry-run", "say what would be copied, with sizes, and change nothing")
    .option("--fail-fast", "stop when one image fails, instead of going on with the others")
    .option("--parallel <number>", "how many images and blobs at once, at most 64", "4")
    .option("--json", "print a line of JSON for each image, and one for all of them")
    .option("--src-creds <user:password>", "who asks SRC; others on this machine can read it, so better:")
    .option("--src-creds-file <file>", "a file with USER:PASSWORD, - for standard input")
    .option("--src-profile <name>", "ask SRC, which is ECR or a Berth, as this profile of ~/.aws/credentials")
    .option("--dest-creds <user:password>", "the same for DST")
    .option("--dest-creds-file <file>", "the same for DST")
    .option("--dest-profile <name>", "the same for DST")
    .option("--ca <file>", "authorities in PEM that vouch for either registry, beside those of the system")
    .option("--insecure", "speak plain HTTP with both registries; with this machine that needs no option")
    .option("--src-insecure", "speak plain HTTP with SRC alone")
    .option("--dest-insecure", "speak plain HTTP with DST alone")
    .option("-c, --config <file>", "read where Berth is from this file instead of ~/.berth/helper.yaml")
    .addHelpText("after", copyHelp)
    .action(lazily(() => import("./copy.ts"), "copy"));

  const imports = program
    .command("import")
    .summary("take over the content of another registry")
    .description(
      "Copy everything that another registry has into a running Berth, which the AWS variables of this shell name as for the AWS CLI. Repositories are made. What is there already is not sent again: an import that was interrupted is gone on with by running it once more.",
    );

  withImportOptions(
    imports
      .command("distribution")
      .argument("<dir>", "its rootdirectory, or docker/registry/v2 in it")
      .summary("from the storage folder of Distribution or Harbor")
      .description(
        "Import from the storage folder of Distribution (Docker's registry) or Harbor. Nothing in it is changed.",
      ),
  ).action(lazily(() => import("./import.ts"), "importDistribution"));

  withImportOptions(
    imports
      .command("zot")
      .argument("<dir>", "its rootDirectory")
      .summary("from the storage folder of zot")
      .description("Import from the storage folder of zot. Nothing in it is changed."),
  ).action(lazily(() => import("./import.ts"), "importZot"));

  withImportOptions(
    imports
      .command("ecr")
      .argument(
        "<registry>",
        "a region of AWS, such as eu-west-1, or the host of a registry: of ECR or of another Berth",
      )
      .summary("from Amazon ECR, or from another Berth")
      .description(
        "Import repositories from Amazon ECR or another Berth, with their settings: mutability of tags, scanning, resource tags, policy and lifecycle policy. What cannot be taken over is told.",
      ),
  )
    .option("--profile <name>", "ask as this profile of ~/.aws/credentials, instead of with the key pair of this shell")
    .option("--region <region>", "the region of a Berth whose host name tells none")
    .option("--insecure", "speak plain HTTP with the registry; with this machine that needs no option")
    .option("--no-settings", "take images alone")
    .option(
      "--encryption <type>",
      "how new repositories are encrypted: AES256, KMS or KMS_DSSE; Berth's default without",
    )
    .option("--kms-key <key>", "by which of Berth's keys")
    .action(lazily(() => import("./import.ts"), "importEcr"));
}

function withImportOptions(command: Command): Command {
  return command
    .option("--prefix <name>", "put the repositories below this name")
    .option("--include <pattern>", "only what matches REPOSITORY:TAG, with * and ?; any number of times", several, [])
    .option("--exclude <pattern>", "not what matches; any number of times", several, [])
    .option("--untagged", "images without a tag, too")
    .option("--no-referrers", "leave signatures and whatever else refers to an image behind")
    .option("--dry-run", "say what would be imported, with sizes, and change nothing")
    .option("--fail-fast", "stop when one image fails, instead of going on with the others")
    .option("--parallel <number>", "how many images and blobs at once, at most 64", "4")
    .option("--json", "print a line of JSON for each image, and one for all of them")
    .option("--ca <file>", "authorities in PEM that vouch for the registries, beside those of the system")
    .option("-c, --config <file>", "read the settings from this file instead of ./berth.yaml");
}

const copyHelp = `
SRC and DST are each one of:
  docker://HOST/REPOSITORY[:TAG|@DIGEST]   a registry; docker:// may be left out
  docker://HOST                            all of a registry, with --all
  oci:DIR[:NAME]                           an OCI layout in a folder
  oci-archive:FILE[:NAME]                  an OCI layout in a tar archive
  docker-archive:FILE[:NAME]               what docker save writes and docker load reads
  dir:DIR                                  one image as the files of a folder

Examples:
  berth copy docker.io/library/alpine:3.22 localhost:5080/alpine:3.22
  berth copy --all registry.example.com/team/api oci:./api
  berth copy --all --exclude 'tmp/*' registry.example.com localhost:5080/mirror
  berth copy --platform linux/arm64 localhost:5080/app:v1 docker-archive:app.tar
  berth copy --dry-run --include ':v1.*' registry.example.com/app localhost:5080/app

Credentials are, of these, the first that there is:
  --src-creds and the like, or the variables BERTH_COPY_SRC_CREDS and BERTH_COPY_DEST_CREDS;
  for ECR, and for the Berth that AWS_ENDPOINT_URL or ~/.berth/helper.yaml names, a token for the AWS key pair of this shell;
  what docker login was told: auths, credHelpers and credsStore of config.json in DOCKER_CONFIG or ~/.docker.

It ends with 0 when every image is there, and with 1 when one is not; what failed is listed.`;
