import { operation } from "./operation.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { nothingOf, onSubject } from "./subject.ts";

export const ListSigningCertificates = operation("ListSigningCertificates", {
  input: { UserName: ExistingUserName.optional(), ...paged },
  needs: onSubject("iam:ListSigningCertificates"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { IsTruncated } = await nothingOf(input, granted, { users });
    return { Certificates: [], IsTruncated };
  },
});
