import { pageOf } from "./lists.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { PathPrefix, paged, UserName } from "./policy-shapes.ts";
import { attachedView, pathOf } from "./policy-views.ts";

export const ListAttachedUserPolicies = operation("ListAttachedUserPolicies", {
  input: { UserName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onUser("iam:ListAttachedUserPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { UserName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "user", UserName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const of = ["ListAttachedUserPolicies", UserName, PathPrefix];
    const { items, ...page } = await pageOf(paging, inPath, { granted, of, input });
    return { AttachedPolicies: items.map(attachedView), ...page };
  },
});
