import { operation } from "./operation.ts";

export const GetCallerIdentity = operation("GetCallerIdentity", {
  input: {},
  needs: () => [], // answered even where a policy denies it
  throws: [],
  async run(_input, { caller: { principal } }) {
    return { Arn: principal.arn, UserId: principal.userId, Account: principal.account };
  },
});
