import { pageOf } from "./lists.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PathPrefix, paged, RoleName } from "./policy-shapes.ts";
import { attachedView, pathOf } from "./policy-views.ts";

export const ListAttachedRolePolicies = operation("ListAttachedRolePolicies", {
  input: { RoleName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onRole("iam:ListAttachedRolePolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { RoleName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "role", RoleName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const of = ["ListAttachedRolePolicies", RoleName, PathPrefix];
    const { items, ...page } = await pageOf(paging, inPath, { granted, of, input });
    return { AttachedPolicies: items.map(attachedView), ...page };
  },
});
