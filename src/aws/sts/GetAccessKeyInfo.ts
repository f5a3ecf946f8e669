import { refuse } from "../../domain/errors.ts";
import { pattern } from "../input.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const GetAccessKeyInfo = operation("GetAccessKeyInfo", {
  input: { AccessKeyId: pattern("[\\w]*").min(16).max(128) },
  needs: onRegistry("sts:GetAccessKeyInfo"),
  throws: ["AccessDenied", "Validation"],
  async run({ AccessKeyId }, _granted, { credentials }) {
    const account = await credentials.accountOf(AccessKeyId);
    // The keys of sessions are nowhere kept.
    if (account === undefined)
      throw refuse("Validation", { reason: `There is no long-term access key ${AccessKeyId}` });
    return { Account: account };
  },
});
