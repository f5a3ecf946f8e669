import { requestTags } from "./facts.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { newTags, RoleName, Tags } from "./shapes.ts";

export const TagRole = operation("TagRole", {
  input: { RoleName, Tags },
  needs: onRole("iam:TagRole", ({ Tags }) => requestTags(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, Tags }, granted, { roles }) {
    await roles.tag(granted, RoleName, newTags(Tags));
    return {};
  },
});
