import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";

export const CreateAccessKey = operation("CreateAccessKey", {
  input: { UserName: ExistingUserName.optional() },
  needs: onSubject("iam:CreateAccessKey"),
  throws: ["LimitExceeded", "NoSuchEntity", "Validation"],
  async run({ UserName }, granted, { users, accessKeys }) {
    const { caller } = granted;
    const name = await subjectOf(UserName, caller.principal, { users });
    const key = await accessKeys.create(granted, name);
    const { accessKeyId, status, secret, createdAt } = key;
    return {
      AccessKey: {
        UserName: name,
        AccessKeyId: accessKeyId,
        Status: status,
        SecretAccessKey: secret,
        CreateDate: createdAt,
      },
    };
  },
});
