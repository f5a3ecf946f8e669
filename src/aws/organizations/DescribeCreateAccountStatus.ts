import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { CreateAccountRequestId } from "./shapes.ts";
import { creationView } from "./views.ts";

export const DescribeCreateAccountStatus = operation("DescribeCreateAccountStatus", {
  input: { CreateAccountRequestId },
  needs: onRegistry("organizations:DescribeCreateAccountStatus"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "CreateAccountStatusNotFound"],
  async run({ CreateAccountRequestId: id }, granted, { organizations }) {
    return { CreateAccountStatus: creationView(await organizations.accountCreation(granted, id)) };
  },
});
