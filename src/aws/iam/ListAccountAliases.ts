import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";

export const ListAccountAliases = operation("ListAccountAliases", {
  input: { ...paged },
  needs: onRegistry("iam:ListAccountAliases"),
  throws: [],
  async run(_, granted, { accountFacts }) {
    const alias = await accountFacts.alias(granted);
    return { AccountAliases: alias === undefined ? [] : [alias], IsTruncated: false };
  },
});
