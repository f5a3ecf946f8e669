import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { Marker, MaxItems } from "./shapes.ts";

export const ListAccountAliases = operation("ListAccountAliases", {
  input: { Marker, MaxItems },
  needs: onRegistry("iam:ListAccountAliases"),
  throws: [],
  async run(_, granted, { accountFacts }) {
    const alias = await accountFacts.alias(granted);
    return { AccountAliases: alias === undefined ? [] : [alias], IsTruncated: false };
  },
});
