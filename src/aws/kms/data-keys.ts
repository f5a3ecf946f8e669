import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { decidedKey } from "../../domain/keys/references.ts";
import { materialId } from "../../domain/keys/rotation.ts";
import type { KmsParts } from "./operation.ts";
import { contextOf, EncryptionContext, endDryRun, GrantTokens, KeyId } from "./shapes.ts";
import { arnOf } from "./views.ts";

/** What both operations take that make a data key. */
export const dataKeyInput = {
  KeyId,
  EncryptionContext: EncryptionContext.optional(),
  NumberOfBytes: z.number().int().min(1).max(1024).optional(),
  KeySpec: z.enum(["AES_256", "AES_128"]).optional(),
  GrantTokens: GrantTokens.optional(),
  DryRun: z.boolean().optional(),
};

type Input = z.output<z.ZodObject<typeof dataKeyInput>>;

/** A key for content, in the clear and encrypted by the key that was decided about. @throws Validation */
export async function makeDataKey(input: Input, granted: Granted, { keyring }: Pick<KmsParts, "keyring">) {
  const { registry, id } = decidedKey(granted);
  const plaintext = randomBytes(lengthOf(input));
  const sealed = await keyring.encrypt(registry, id, plaintext, contextOf(input.EncryptionContext));
  endDryRun(input.DryRun);
  const { key, ciphertext, version } = sealed;
  return {
    plaintext,
    view: { CiphertextBlob: ciphertext, KeyId: arnOf(key), KeyMaterialId: materialId(key, version) },
  };
}

function lengthOf({ NumberOfBytes: bytes, KeySpec: spec }: Input): number {
  if ((bytes === undefined) === (spec === undefined)) {
    throw refuse("Validation", { reason: "Please specify either number of bytes or key spec." });
  }
  return bytes ?? (spec === "AES_128" ? 16 : 32);
}
