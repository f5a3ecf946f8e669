import { dataKeyInput, makeDataKey } from "./data-keys.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { mustBeAbsent, Recipient } from "./shapes.ts";

export const GenerateDataKey = operation("GenerateDataKey", {
  input: { ...dataKeyInput, Recipient: Recipient.optional() },
  account: ofKey,
  needs: onKey("kms:GenerateDataKey", { byAlias: true, encrypts: true }),
  throws: [
    "InvalidGrantToken",
    "KeyNotFound",
    "InvalidKeyArn",
    "KeyDisabled",
    "KeyInvalidState",
    "UnsupportedKey",
    "Validation",
    "KeyDryRun",
  ],
  async run(input, granted, parts) {
    mustBeAbsent({ Recipient: input.Recipient });
    const { plaintext, view } = await makeDataKey(input, granted, parts);
    return { ...view, Plaintext: plaintext };
  },
});
