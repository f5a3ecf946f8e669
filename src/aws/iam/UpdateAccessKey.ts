import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { operation } from "./operation.ts";
import { AccessKeyId, ExistingUserName } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";

export const UpdateAccessKey = operation("UpdateAccessKey", {
  input: {
    UserName: ExistingUserName.optional(),
    AccessKeyId,
    Status: z.enum(["Active", "Inactive", "Expired"]),
  },
  needs: onSubject("iam:UpdateAccessKey"),
  throws: ["InvalidInput", "NoSuchEntity", "Validation"],
  async run({ UserName, AccessKeyId, Status }, granted, { users, accessKeys }) {
    // The type has it for other credentials. A key that somebody switches off is inactive.
    if (Status === "Expired") throw refuse("InvalidInput", { reason: "Access keys do not expire" });
    const { caller } = granted;
    const name = await subjectOf(UserName, caller.principal, { users });
    await accessKeys.setStatus(granted, name, AccessKeyId, Status);
  },
});
