import { iamArn } from "../../domain/names.ts";
import { needsOn } from "./needs.ts";
import { operation } from "./operation.ts";
import { AccessKeyId } from "./shapes.ts";

export const GetAccessKeyLastUsed = operation("GetAccessKeyLastUsed", {
  input: { AccessKeyId },
  async needs({ AccessKeyId }, { account }, { parts: { accessKeys, resources } }) {
    const action = "iam:GetAccessKeyLastUsed";
    const found = await accessKeys.findWithUser(AccessKeyId);
    // A key that is not there, or another account's, needs the permission for every user.
    if (found?.key.account !== account) return [{ action, resource: iamArn(account, "user", "/", "*") }];
    return needsOn(action, await resources.entity(account, "user", found.user.name));
  },
  throws: ["NoSuchEntity"],
  async run({ AccessKeyId }, granted, { accessKeys }) {
    const { key, user } = await accessKeys.lastUse(granted, AccessKeyId);
    const { at, service = "N/A", region = "N/A" } = key.lastUsed ?? {};
    return { UserName: user.name, AccessKeyLastUsed: { LastUsedDate: at, ServiceName: service, Region: region } };
  },
});
