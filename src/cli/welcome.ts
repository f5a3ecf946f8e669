import type { RootKeyInUse } from "../opening.ts";
import { shellQuote } from "./text.ts";

export interface WelcomeFacts {
  readonly version: string;
  readonly url: string;
  /** Where clients reach the registry of the first account. */
  readonly publicUrl: string;
  readonly rootKey: RootKeyInUse;
  readonly createOnPush: boolean;
  /** How this program is called: `berth`, or `npx berth` from a source tree. */
  readonly command: string;
}

/** What a start says to whoever looks on. The commands can be pasted into a shell as they are. */
export function welcome({ version, url, publicUrl, rootKey, createOnPush, command }: WelcomeFacts): string {
  const host = publicUrl.replace(/^https?:\/\//, "");
  const image = `${host}/hello:1`;
  const push = [`docker tag busybox ${image}`, `docker push ${image}`, `docker pull ${image}`];
  const create = "aws ecr create-repository --repository-name hello";
  const setUp = rootKey.file
    ? [`eval "$(${command} env)"`]
    : [
        `export AWS_ENDPOINT_URL=${shellQuote(publicUrl)}`,
        "# and your AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION",
      ];

  const paragraphs = [
    [`Berth ${version} listens on ${url}`, ...(url === publicUrl ? [] : [`Clients reach it at ${publicUrl}`])],
    keyLines(rootKey),
    ["With Docker alone:", ...commands([loginLine(rootKey, host), ...push])],
    createOnPush
      ? []
      : ["The repository must exist before the push: make it as below, or start with BERTH_CREATE_ON_PUSH=true."],
    [
      "With the AWS CLI:",
      ...commands([
        ...setUp,
        ...(createOnPush ? [] : [create]),
        `aws ecr get-login-password | docker login --username AWS --password-stdin ${host}`,
        ...push,
      ]),
    ],
  ];
  return `\n${paragraphs
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n")}\n`;
}

function keyLines({ accessKeyId, secretAccessKey, file, made }: RootKeyInUse): string[] {
  if (file === undefined) return [`The root key pair is the configured one, ${accessKeyId}`];
  if (!made) return [`The root key pair is in ${file}`];
  return [
    `A root key pair was made and written to ${file}. It is shown this once:`,
    ...commands([`access key id      ${accessKeyId}`, `secret access key  ${secretAccessKey}`]),
  ];
}

/** An access key id and its secret are a user name and a password to Docker. */
function loginLine({ accessKeyId, file }: RootKeyInUse, host: string): string {
  const login = `docker login --username ${shellQuote(accessKeyId)}`;
  if (file === undefined) return `${login} ${host}`;
  return `awk -F' *= *' '/^aws_secret_access_key/ {print $2}' ${shellQuote(file)} | ${login} --password-stdin ${host}`;
}

function commands(lines: string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
