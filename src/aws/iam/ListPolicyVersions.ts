import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { PolicyArn, paged } from "./shapes.ts";
import { listedVersionView, versionKey } from "./views.ts";

export const ListPolicyVersions = operation("ListPolicyVersions", {
  input: { PolicyArn, ...paged },
  needs: onPolicy("iam:ListPolicyVersions"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const versions = await managedPolicies.versions(granted, input.PolicyArn);
    const { items, rest } = await listPage(paging, {
      of: ["ListPolicyVersions", granted.registry.account, input.PolicyArn],
      input,
      read: inPages(versions, versionKey),
      keyOf: versionKey,
    });
    return { Versions: items.map(listedVersionView), ...rest };
  },
});
