import { z } from "zod";
import { operation } from "./operation.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { nothingOf, onSubject } from "./subject.ts";

export const ListServiceSpecificCredentials = operation("ListServiceSpecificCredentials", {
  input: {
    UserName: ExistingUserName.optional(),
    ServiceName: z.string().max(2048).optional(),
    AllUsers: z.boolean().optional(),
    ...paged,
  },
  needs: onSubject("iam:ListServiceSpecificCredentials"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { IsTruncated } = await nothingOf(input, granted, { users });
    return { ServiceSpecificCredentials: [], IsTruncated };
  },
});
