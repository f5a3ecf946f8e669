import { pageOf } from "./lists.ts";
import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PathPrefix, paged } from "./policy-shapes.ts";
import { attachedView, pathOf } from "./policy-views.ts";

export const ListAttachedGroupPolicies = operation("ListAttachedGroupPolicies", {
  input: { GroupName, PathPrefix: PathPrefix.optional(), ...paged },
  needs: onGroup("iam:ListAttachedGroupPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { attachments, paging }) {
    const { GroupName, PathPrefix = "/" } = input;
    const attached = await attachments.list(granted, "group", GroupName);
    const inPath = attached.filter((arn) => pathOf(arn).startsWith(PathPrefix));
    const of = ["ListAttachedGroupPolicies", GroupName, PathPrefix];
    const { items, ...page } = await pageOf(paging, inPath, { granted, of, input });
    return { AttachedPolicies: items.map(attachedView), ...page };
  },
});
