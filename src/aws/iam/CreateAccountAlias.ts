import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { AccountAlias } from "./shapes.ts";

export const CreateAccountAlias = operation("CreateAccountAlias", {
  input: { AccountAlias },
  needs: onRegistry("iam:CreateAccountAlias"),
  throws: ["EntityAlreadyExists"],
  async run({ AccountAlias: alias }, granted, { accountFacts }) {
    await accountFacts.setAlias(granted, alias);
  },
});
