import { newTags, requestTags } from "./needs.ts";
import { onRole } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { RoleName, Tags } from "./policy-shapes.ts";

export const TagRole = operation("TagRole", {
  input: { RoleName, Tags },
  needs: onRole("iam:TagRole", ({ Tags }) => requestTags(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, Tags }, granted, { roles }) {
    await roles.tag(granted, RoleName, newTags(Tags));
    return {};
  },
});
