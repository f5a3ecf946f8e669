import { refuse } from "../../domain/errors.ts";
import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";
import { nothingOf, onSubject } from "./subject.ts";

export const DeleteLoginProfile = operation("DeleteLoginProfile", {
  input: { UserName: ExistingUserName.optional() },
  needs: onSubject("iam:DeleteLoginProfile"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { name } = await nothingOf(input, granted, { users });
    throw refuse("NoSuchEntity", { reason: `Login Profile for User ${name} cannot be found.` });
  },
});
