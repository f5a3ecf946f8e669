import type { Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { arnOfCiphertext, parseCiphertext } from "../../domain/keys/ciphertext.ts";
import type { Keyring } from "../../domain/keys/keyring.ts";
import { accountOfReference, decidedKey } from "../../domain/keys/references.ts";
import { type AccountId, type Arn, parseKeyArn, type Registry } from "../../domain/names.ts";
import { contextOf } from "./shapes.ts";

/** The key of a ciphertext: the one that the input names, or else the one that the ciphertext does. */
export interface OfCiphertext {
  readonly ciphertext?: Uint8Array;
  readonly reference?: string;
}

/** The account of the key. */
export function accountOf({ ciphertext, reference }: OfCiphertext): AccountId | undefined {
  if (reference !== undefined) return accountOfReference(reference);
  return ciphertext && parseCiphertext(ciphertext)?.registry.account;
}

/** @throws InvalidCiphertext for what no key of this region has made, KeyNotFound */
export async function keyOf(
  keyring: Keyring,
  registry: Registry,
  { ciphertext, reference }: OfCiphertext,
): Promise<Arn> {
  if (reference !== undefined) return await keyring.resolve(registry, reference);
  const header = ciphertext && parseCiphertext(ciphertext);
  if (!header || header.registry.region !== registry.region) throw refuse("InvalidCiphertext");
  return arnOfCiphertext(header);
}

/**
 * What is in a ciphertext, by the key of the first need.
 * @throws Validation without a ciphertext, IncorrectKey, InvalidCiphertext, and whatever keeps the key from being used
 */
export async function openCiphertext(
  granted: Granted,
  keyring: Keyring,
  { ciphertext, reference }: OfCiphertext,
  context: Parameters<typeof contextOf>[0],
) {
  if (!ciphertext) throw refuse("Validation", { reason: "CiphertextBlob is required" });
  const { registry, id } = decidedKey(granted);
  if (reference !== undefined) await keyring.get(registry, id);
  mustBeOf(granted.needs[0]?.resource, ciphertext);
  return keyring.decrypt(ciphertext, contextOf(context));
}

/** @throws IncorrectKey where the key that was decided about is not that of the ciphertext */
function mustBeOf(resource: Arn | "*" | undefined, ciphertext: Uint8Array): void {
  const header = parseCiphertext(ciphertext);
  if (!header) throw refuse("InvalidCiphertext");
  const named = parseKeyArn(resource ?? "");
  if (named?.id !== header.keyId || resource !== arnOfCiphertext(header)) throw refuse("IncorrectKey");
}
