import { nothingOf } from "./nothing-of-user.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, Marker, MaxItems } from "./shapes.ts";
import { onSubject } from "./subject.ts";

export const ListSigningCertificates = operation("ListSigningCertificates", {
  input: { UserName: ExistingUserName.optional(), Marker, MaxItems },
  needs: onSubject("iam:ListSigningCertificates"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { IsTruncated } = await nothingOf(input, granted, { users });
    return { Certificates: [], IsTruncated };
  },
});
