import { z } from "zod";
import { materialId } from "../../domain/keys/rotation.ts";
import { Blob } from "../blob.ts";
import { accountOf, keyOf, openCiphertext } from "./ciphertexts.ts";
import { keyNeed } from "./needs.ts";
import { operation } from "./operation.ts";
import {
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
    const of = { ciphertext, reference: input.KeyId };
    const { key, plaintext, version } = await openCiphertext(granted, keyring, of, input.EncryptionContext);
    endDryRun(input.DryRun);
    return {
      KeyId: arnOf(key),
      Plaintext: plaintext,
      EncryptionAlgorithm: symmetric,
      KeyMaterialId: materialId(key, version),
    };
  },
});
