import { tagKeys } from "./facts.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName, TagKeys } from "./shapes.ts";

export const UntagRole = operation("UntagRole", {
  input: { RoleName, TagKeys },
  needs: onRole("iam:UntagRole", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, TagKeys }, granted, { roles }) {
    await roles.untag(granted, RoleName, TagKeys);
    return {};
  },
});
