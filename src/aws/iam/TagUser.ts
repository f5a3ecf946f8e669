import { requestTags } from "./facts.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, newTags, Tags } from "./shapes.ts";

export const TagUser = operation("TagUser", {
  input: { UserName: ExistingUserName, Tags },
  needs: onUser("iam:TagUser", ({ Tags }) => requestTags(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ UserName, Tags }, granted, { users }) {
    await users.tag(granted, UserName, newTags(Tags));
  },
});
