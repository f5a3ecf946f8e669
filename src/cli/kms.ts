import { loadConfig } from "../config.ts";
import { rotateServerKey as rotate, rotateMasterKey } from "../upkeep.ts";

/** `berth kms …`: what only the operator does with encryption keys. */
export async function rotateMaster({ config: file }: { readonly config?: string }): Promise<void> {
  const { rewrapped, file: masterKey } = await rotateMasterKey(loadConfig({ file }));
  console.log(`${rewrapped} key materials are wrapped by the master key of today`);
  if (masterKey !== undefined) console.error(`Keep a copy of ${masterKey} apart from the backups.`);
}

export async function rotateServerKey({ config: file }: { readonly config?: string }): Promise<void> {
  const version = await rotate(loadConfig({ file }));
  console.log(`new layers are sealed by version ${version} of the server's own key`);
}
