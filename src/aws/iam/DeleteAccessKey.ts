import { operation } from "./operation.ts";
import { AccessKeyId, ExistingUserName } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";

export const DeleteAccessKey = operation("DeleteAccessKey", {
  input: { UserName: ExistingUserName.optional(), AccessKeyId },
  needs: onSubject("iam:DeleteAccessKey"),
  throws: ["NoSuchEntity", "Validation"],
  async run({ UserName, AccessKeyId }, granted, { users, accessKeys }) {
    const { caller } = granted;
    const name = await subjectOf(UserName, caller.principal, { users });
    await accessKeys.delete(granted, name, AccessKeyId);
  },
});
