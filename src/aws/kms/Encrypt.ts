import { z } from "zod";
import { decidedKey } from "../../domain/keys/references.ts";
import { Blob } from "../blob.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import {
  contextOf,
  EncryptionAlgorithm,
  EncryptionContext,
  endDryRun,
  GrantTokens,
  KeyId,
  maxPlaintextBytes,
  mustBeSymmetric,
} from "./shapes.ts";
import { arnOf, symmetric } from "./views.ts";

export const Encrypt = operation("Encrypt", {
  input: {
    KeyId,
    Plaintext: Blob(maxPlaintextBytes, 1),
    EncryptionContext: EncryptionContext.optional(),
    GrantTokens: GrantTokens.optional(),
    EncryptionAlgorithm: EncryptionAlgorithm.optional(),
    DryRun: z.boolean().optional(),
  },
  account: ofKey,
  needs: onKey("kms:Encrypt", { byAlias: true, encrypts: true }),
  throws: [
    "InvalidGrantToken",
    "KeyNotFound",
    "InvalidKeyArn",
    "KeyDisabled",
    "KeyInvalidState",
    "Validation",
    "KeyDryRun",
  ],
  async run(input, granted, { keyring }) {
    mustBeSymmetric(input.EncryptionAlgorithm);
    const { registry, id } = decidedKey(granted);
    const { key, ciphertext } = await keyring.encrypt(
      registry,
      id,
      input.Plaintext,
      contextOf(input.EncryptionContext),
    );
    endDryRun(input.DryRun);
    return { CiphertextBlob: ciphertext, KeyId: arnOf(key), EncryptionAlgorithm: symmetric };
  },
});
