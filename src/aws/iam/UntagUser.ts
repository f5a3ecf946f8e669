import { tagKeys } from "./facts.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, TagKeys } from "./shapes.ts";

export const UntagUser = operation("UntagUser", {
  input: { UserName: ExistingUserName, TagKeys },
  needs: onUser("iam:UntagUser", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["NoSuchEntity"],
  async run({ UserName, TagKeys }, granted, { users }) {
    await users.untag(granted, UserName, TagKeys);
  },
});
