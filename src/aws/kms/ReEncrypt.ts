import { z } from "zod";
import { accountOfReference, decidedKey } from "../../domain/keys/references.ts";
import { parseKeyArn } from "../../domain/names.ts";
import { Blob } from "../blob.ts";
import { accountOf, keyOf, openCiphertext } from "./ciphertexts.ts";
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
} from "./shapes.ts";
import { arnOf, symmetric } from "./views.ts";

export const ReEncrypt = operation("ReEncrypt", {
  input: {
    CiphertextBlob: Blob(maxCiphertextBytes, 1).optional(),
    SourceEncryptionContext: EncryptionContext.optional(),
    SourceKeyId: KeyId.optional(),
    DestinationKeyId: KeyId,
    DestinationEncryptionContext: EncryptionContext.optional(),
    SourceEncryptionAlgorithm: EncryptionAlgorithm.optional(),
    DestinationEncryptionAlgorithm: EncryptionAlgorithm.optional(),
    GrantTokens: GrantTokens.optional(),
    DryRun: z.boolean().optional(),
    DryRunModifiers: DryRunModifiers.optional(),
  },
  account: ({ DestinationKeyId }) => accountOfReference(DestinationKeyId),
  async needs(input, registry, { principal, parts }) {
    const { CiphertextBlob: ciphertext, SourceKeyId: reference, GrantTokens } = input;
    // The two keys may belong to two accounts.
    const account = accountOf({ ciphertext, reference }) ?? principal.account;
    const from = await keyOf(parts.keyring, { ...registry, account }, { ciphertext, reference });
    const to = await parts.keyring.resolve(registry, input.DestinationKeyId);
    const facts = () => ({ "kms:reencryptonsamekey": String(from === to) });
    const source = { EncryptionContext: input.SourceEncryptionContext, GrantTokens, KeyId: reference };
    const destination = {
      EncryptionContext: input.DestinationEncryptionContext,
      GrantTokens,
      KeyId: input.DestinationKeyId,
    };
    return [
      {
        ...keyNeed("kms:ReEncryptFrom", from, source, principal, parts, { encrypts: true, facts }),
        owner: parseKeyArn(from)?.registry,
      },
      keyNeed("kms:ReEncryptTo", to, destination, principal, parts, { encrypts: true, facts }),
    ];
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
    mustBeAbsent({ DryRunModifiers: input.DryRunModifiers });
    mustBeSymmetric(input.SourceEncryptionAlgorithm);
    mustBeSymmetric(input.DestinationEncryptionAlgorithm);
    const of = { ciphertext: input.CiphertextBlob, reference: input.SourceKeyId };
    const opened = await openCiphertext(granted, keyring, of, input.SourceEncryptionContext);
    const { registry, id } = decidedKey(granted, 1);
    const context = contextOf(input.DestinationEncryptionContext);
    const sealed = await keyring.encrypt(registry, id, opened.plaintext, context);
    endDryRun(input.DryRun);
    return {
      CiphertextBlob: sealed.ciphertext,
      SourceKeyId: arnOf(opened.key),
      KeyId: arnOf(sealed.key),
      SourceEncryptionAlgorithm: symmetric,
      DestinationEncryptionAlgorithm: symmetric,
    };
  },
});
