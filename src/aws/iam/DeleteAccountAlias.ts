import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { AccountAlias } from "./shapes.ts";

export const DeleteAccountAlias = operation("DeleteAccountAlias", {
  input: { AccountAlias },
  needs: onRegistry("iam:DeleteAccountAlias"),
  throws: ["NoSuchEntity"],
  async run({ AccountAlias: alias }, granted, { accountFacts }) {
    await accountFacts.removeAlias(granted, alias);
  },
});
