import { onRole, tagFacts } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName, Tags, tagsOf } from "./policy-shapes.ts";

export const TagRole = operation("TagRole", {
  input: { RoleName, Tags },
  needs: onRole("iam:TagRole", ({ Tags }) => tagFacts(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, Tags }, granted, { roles }) {
    await roles.tag(granted, RoleName, tagsOf(Tags));
    return {};
  },
});
