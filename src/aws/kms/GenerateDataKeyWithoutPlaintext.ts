import { dataKeyInput, makeDataKey } from "./data-keys.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";

export const GenerateDataKeyWithoutPlaintext = operation("GenerateDataKeyWithoutPlaintext", {
  input: dataKeyInput,
  account: ofKey,
  needs: onKey("kms:GenerateDataKeyWithoutPlaintext", { byAlias: true, encrypts: true }),
  throws: [
    "InvalidGrantToken",
    "KeyNotFound",
    "InvalidKeyArn",
    "KeyDisabled",
    "KeyInvalidState",
    "Validation",
    "KeyDryRun",
  ],
  async run(input, granted, parts) {
    return (await makeDataKey(input, granted, parts)).view;
  },
});
