import { readFile } from "node:fs/promises";
import { berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { printable, readInput } from "./text.ts";

/** `berth lifecycle retain …`: what a repository says of lifecycles beyond ECR. */

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface Retention {
  readonly retentionText?: string;
  readonly reportOnly: boolean;
  readonly deletionProtection: boolean;
}

export async function showRetention(repositoryName: string, { config, json }: Options): Promise<void> {
  const ask = await berthApi(config);
  show(await ask<Retention>("GetRetention", { repositoryName }), json);
}

export async function setRetention(
  repositoryName: string,
  file: string | undefined,
  { reportOnly, config, json }: Options & { readonly reportOnly?: string },
): Promise<void> {
  if ((file ?? reportOnly) === undefined) throw new CommandFailed("give a file, or --report-only on or off");
  const input = {
    repositoryName,
    retentionText: file === undefined ? undefined : await documentIn(file),
    reportOnly: reportOnly === undefined ? undefined : isOn(reportOnly),
  };
  const ask = await berthApi(config);
  show(await ask<Retention>("PutRetention", input), json);
}

export async function clearRetention(repositoryName: string, { config, json }: Options): Promise<void> {
  const ask = await berthApi(config);
  const before = await ask<Retention>("DeleteRetention", { repositoryName });
  if (json) console.log(JSON.stringify(before));
  else console.log(printable(`${repositoryName} says nothing of retention any more`));
}

/** A document from a file, or from standard input. */
export async function documentIn(file: string): Promise<string> {
  if (file === "-") return readInput();
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandFailed(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function show(retention: Retention, json?: boolean): void {
  if (json) {
    console.log(JSON.stringify(retention));
    return;
  }
  const { retentionText, reportOnly, deletionProtection } = retention;
  console.log(`lifecycle evaluations  ${reportOnly ? "report only" : "act"}`);
  console.log(`the repository         ${deletionProtection ? "cannot" : "can"} be deleted`);
  const document = retentionText ?? "no retention document";
  for (const line of document.split("\n")) console.log(printable(line));
}

function isOn(text: string): boolean {
  if (text !== "on" && text !== "off") throw new CommandFailed(`--report-only: given "${text}"; allowed: on, off`);
  return text === "on";
}
