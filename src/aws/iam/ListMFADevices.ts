import { operation } from "./operation.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { nothingOf, onSubject } from "./subject.ts";

export const ListMFADevices = operation("ListMFADevices", {
  input: { UserName: ExistingUserName.optional(), ...paged },
  needs: onSubject("iam:ListMFADevices"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { IsTruncated } = await nothingOf(input, granted, { users });
    return { MFADevices: [], IsTruncated };
  },
});
