import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { GroupName, PathPrefix, paged } from "./shapes.ts";
import { attachedView, pathOf } from "./views.ts";

export const ListAttachedGroupPolicies = operation("ListAttachedGroupPolicies", {
  input: { GroupName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onGroup("iam:ListAttachedGroupPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { GroupName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "group", GroupName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const keyOf = (arn: string) => arn;
    const { items, rest } = await listPage(paging, {
      of: ["ListAttachedGroupPolicies", granted.registry.account, GroupName, PathPrefix],
      input,
      read: inPages(inPath, keyOf),
      keyOf,
    });
    return { AttachedPolicies: items.map(attachedView), ...rest };
  },
});
