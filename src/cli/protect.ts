import { berthApi } from "./berth-api.ts";
import { printable } from "./text.ts";

/** `berth protect` and `berth unprotect`: whether a repository can be deleted. */

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

export function protect(repositoryName: string, options: Options): Promise<void> {
  return setProtection(repositoryName, true, options);
}

export function unprotect(repositoryName: string, options: Options): Promise<void> {
  return setProtection(repositoryName, false, options);
}

async function setProtection(repositoryName: string, deletionProtection: boolean, { config, json }: Options) {
  const ask = await berthApi(config);
  await ask("SetDeletionProtection", { repositoryName, deletionProtection });
  if (json) console.log(JSON.stringify({ repositoryName, deletionProtection }));
  else console.log(printable(`${repositoryName} ${deletionProtection ? "cannot" : "can"} be deleted`));
}
