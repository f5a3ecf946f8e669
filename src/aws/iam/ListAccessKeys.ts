import { rootArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { listOf } from "./paging.ts";
import { ExistingUserName, Marker, MaxItems } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";

export const ListAccessKeys = operation("ListAccessKeys", {
  input: { UserName: ExistingUserName.optional(), Marker, MaxItems },
  needs(input, registry, from) {
    if (input.UserName === undefined && from.principal.kind === "root") {
      return [{ action: "iam:ListAccessKeys", resource: rootArn(registry.account) }];
    }
    return onSubject("iam:ListAccessKeys")(input, registry, from);
  },
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users, accessKeys, paging }, key) {
    const { principal } = granted.caller;
    const { account } = granted.registry;
    if (input.UserName === undefined && principal.kind === "root") {
      // Its pair is set up with the account, so there is no more to tell of it than who asks knows already.
      return { AccessKeyMetadata: [{ AccessKeyId: key.longTermKeyId, Status: "Active" as const }], IsTruncated: false };
    }
    const { name } = await subjectOf(input.UserName, account, principal, { users });
    const { items, rest } = await listOf(paging, {
      of: ["ListAccessKeys", account, name],
      input,
      items: await accessKeys.list(granted, name),
      keyOf: ({ accessKeyId }) => accessKeyId,
    });
    const views = items.map(({ accessKeyId, status, createdAt }) => {
      return { UserName: name, AccessKeyId: accessKeyId, Status: status, CreateDate: createdAt };
    });
    return { AccessKeyMetadata: views, ...rest };
  },
});
