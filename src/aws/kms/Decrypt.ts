import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { decidedKey } from "../../domain/keys/references.ts";
import { materialId } from "../../domain/keys/rotation.ts";
import { Blob } from "../blob.ts";
import { accountOf, keyOf, mustBeOf } from "./ciphertexts.ts";
import { keyNeed } from "./needs.ts";
import { operation } from "./operation.ts";
import {
  contextOf,
  DryRunModifiers,
  EncryptionAlgorithm,
  EncryptionContext,
  endDryRun,
  GrantTokens,
  KeyId,
  maxCiphertextBytes,
  mustBeAbsent,
  mustBeSymmetric,
  Recipient,
} from "./shapes.ts";
import { arnOf, symmetric } from "./views.ts";

export const Decrypt = operation("Decrypt", {
  input: {
    CiphertextBlob: Blob(maxCiphertextBytes, 1).optional(),
    EncryptionContext: EncryptionContext.optional(),
    GrantTokens: GrantTokens.optional(),
    KeyId: KeyId.optional(),
    EncryptionAlgorithm: EncryptionAlgorithm.optional(),
    Recipient: Recipient.optional(),
    DryRun: z.boolean().optional(),
    DryRunModifiers: DryRunModifiers.optional(),
  },
  account: ({ CiphertextBlob: ciphertext, KeyId: reference }) => accountOf({ ciphertext, reference }),
  async needs(input, registry, { principal, parts }) {
    const arn = await keyOf(parts.keyring, registry, { ciphertext: input.CiphertextBlob, reference: input.KeyId });
    return [keyNeed("kms:Decrypt", arn, input, principal, parts, { encrypts: true })];
  },
  throws: [
    "InvalidGrantToken",
    "InvalidCiphertext",
    "IncorrectKey",
    "KeyNotFound",
    "InvalidKeyArn",
    "KeyDisabled",
    "KeyInvalidState",
    "UnsupportedKey",
    "Validation",
    "KeyDryRun",
  ],
  async run(input, granted, { keyring }) {
    const { Recipient, DryRunModifiers, CiphertextBlob: ciphertext } = input;
    mustBeAbsent({ Recipient, DryRunModifiers });
    mustBeSymmetric(input.EncryptionAlgorithm);
    if (!ciphertext) throw refuse("Validation", { reason: "CiphertextBlob is required" });
    const { registry, id } = decidedKey(granted);
    if (input.KeyId !== undefined) await keyring.get(registry, id);
    mustBeOf(granted.needs[0]?.resource, ciphertext);
    const { key, plaintext, version } = await keyring.decrypt(ciphertext, contextOf(input.EncryptionContext));
    endDryRun(input.DryRun);
    return {
      KeyId: arnOf(key),
      Plaintext: plaintext,
      EncryptionAlgorithm: symmetric,
      KeyMaterialId: materialId(key, version),
    };
  },
});
