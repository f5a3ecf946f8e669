import { z } from "zod";
import { nothingOf } from "./nothing-of-user.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, Marker, MaxItems } from "./shapes.ts";
import { onSubject } from "./subject.ts";

export const ListServiceSpecificCredentials = operation("ListServiceSpecificCredentials", {
  input: {
    UserName: ExistingUserName.optional(),
    ServiceName: z.string().max(2048).optional(),
    AllUsers: z.boolean().optional(),
    Marker,
    MaxItems,
  },
  needs: onSubject("iam:ListServiceSpecificCredentials"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users }) {
    const { IsTruncated } = await nothingOf(input, granted, { users });
    return { ServiceSpecificCredentials: [], IsTruncated };
  },
});
