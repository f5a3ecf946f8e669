import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import {
  type AccountId,
  type Arn,
  type KeyAlias,
  type KeyId,
  keyAliasArn,
  keyArn,
  parseKeyAlias,
  parseKeyArn,
  parseKeyId,
  type Registry,
} from "../names.ts";

/** What a request calls a key by: its id, an alias, or the ARN of either. */
export interface KeyReference {
  readonly id?: KeyId;
  readonly alias?: KeyAlias;
}

/** The account that an ARN names; `undefined` for what stands for a key of the caller's account. */
export function accountOfReference(text: string | undefined): AccountId | undefined {
  return text === undefined ? undefined : parseKeyArn(text)?.registry.account;
}

/** @throws KeyNotFound for what can be no key of the registry's region */
export function parseReference(text: string, { region }: Registry): KeyReference {
  const named = parseKeyArn(text);
  if (named && named.registry.region !== region) {
    throw refuse("KeyNotFound", { reason: `Invalid arn ${named.registry.region}` });
  }
  if (named) return named;
  if (text.startsWith("arn:")) throw refuse("InvalidKeyArn", { reason: `Invalid arn ${text}` });
  const [id, alias] = [parseKeyId(text.toLowerCase()), parseKeyAlias(text)];
  if (!id && !alias) throw refuse("KeyNotFound", { reason: `Invalid keyId '${text}'` });
  return { id, alias };
}

/**
 * The key that was decided about: an alias may mean another one by now.
 * @throws KeyNotFound for an alias that meant none
 */
export function decidedKey({ needs }: Granted, index = 0): { readonly registry: Registry; readonly id: KeyId } {
  const { resource = "*" } = needs[index] ?? {};
  const named = parseKeyArn(resource);
  if (!named) throw new Error(`${resource} is not the ARN of a key`);
  const { registry, id, alias } = named;
  if (alias) throw aliasNotFound(registry, alias);
  return { registry, id: id as KeyId };
}

export function aliasNotFound(registry: Registry, alias: KeyAlias) {
  return refuse("KeyNotFound", { reason: `Alias ${keyAliasArn(registry, alias)} is not found.` });
}

export function keyNotFound(arn: Arn) {
  return refuse("KeyNotFound", { reason: `Key '${arn}' does not exist` });
}

export function notFound(registry: Registry, id: KeyId) {
  return keyNotFound(keyArn(registry, id));
}
