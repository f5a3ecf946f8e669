import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { ExistingUserName, PathPrefix, paged } from "./shapes.ts";
import { attachedView, pathOf } from "./views.ts";

export const ListAttachedUserPolicies = operation("ListAttachedUserPolicies", {
  input: { UserName: ExistingUserName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onUser("iam:ListAttachedUserPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { UserName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "user", UserName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const keyOf = (arn: string) => arn;
    const { items, rest } = await listPage(paging, {
      of: ["ListAttachedUserPolicies", granted.registry.account, UserName, PathPrefix],
      input,
      read: inPages(inPath, keyOf),
      keyOf,
    });
    return { AttachedPolicies: items.map(attachedView), ...rest };
  },
});
