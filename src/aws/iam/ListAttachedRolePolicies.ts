import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { PathPrefix, paged, RoleName } from "./shapes.ts";
import { attachedView, pathOf } from "./views.ts";

export const ListAttachedRolePolicies = operation("ListAttachedRolePolicies", {
  input: { RoleName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onRole("iam:ListAttachedRolePolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { RoleName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "role", RoleName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const keyOf = (arn: string) => arn;
    const { items, rest } = await listPage(paging, {
      of: ["ListAttachedRolePolicies", granted.registry.account, RoleName, PathPrefix],
      input,
      read: inPages(inPath, keyOf),
      keyOf,
    });
    return { AttachedPolicies: items.map(attachedView), ...rest };
  },
});
