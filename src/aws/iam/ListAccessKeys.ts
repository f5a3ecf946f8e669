import type { AccessKey } from "../../domain/identity/ports.ts";
import { rootArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";

export const ListAccessKeys = operation("ListAccessKeys", {
  input: { UserName: ExistingUserName.optional(), ...paged },
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
    const name = await subjectOf(input.UserName, principal, { users });
    const keyOf = ({ accessKeyId }: AccessKey) => accessKeyId;
    const keys = (await accessKeys.list(granted, name)).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const { items, rest } = await listPage(paging, {
      of: ["ListAccessKeys", account, name],
      input,
      read: inPages(keys, keyOf),
      keyOf,
    });
    const views = items.map(({ accessKeyId, status, createdAt }) => {
      return { UserName: name, AccessKeyId: accessKeyId, Status: status, CreateDate: createdAt };
    });
    return { AccessKeyMetadata: views, ...rest };
  },
});
