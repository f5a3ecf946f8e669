import type { SummaryKeyType } from "@aws-sdk/client-iam";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const GetAccountSummary = operation("GetAccountSummary", {
  input: {},
  needs: onRegistry("iam:GetAccountSummary"),
  throws: [],
  async run(_, granted, { accountFacts }) {
    // The protocol writes a map otherwise than an object, so it stays one.
    const summary: unknown = await accountFacts.summary(granted);
    return { SummaryMap: summary as Partial<Record<SummaryKeyType, number>> };
  },
});
