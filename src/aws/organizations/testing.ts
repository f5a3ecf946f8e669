import * as sdk from "@aws-sdk/client-organizations";

/** For tests: an organization and what is in it, made through the official client. */

export const policyText = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
export const denyDelete = policyText({ Effect: "Deny", Action: "ecr:DeleteRepository", Resource: "*" });
export const SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY" as const;

/** Name, text and reason of the error that the call ends with. */
export async function errorOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  return error && [error.name, error.message, ...(error.Reason === undefined ? [] : [error.Reason])];
}

export function organizer(client: sdk.OrganizationsClient) {
  return {
    /** The id of the root. */
    async found(): Promise<string> {
      await client.send(new sdk.CreateOrganizationCommand({}));
      const { Roots = [] } = await client.send(new sdk.ListRootsCommand({}));
      return Roots[0]?.Id as string;
    },
    async newUnit(ParentId: string, Name: string) {
      const made = await client.send(new sdk.CreateOrganizationalUnitCommand({ ParentId, Name }));
      return made.OrganizationalUnit as Required<sdk.OrganizationalUnit>;
    },
    async newAccount(AccountName: string, more: Partial<sdk.CreateAccountCommandInput> = {}) {
      const input = { AccountName, Email: `${AccountName}@example.com`, ...more };
      const { CreateAccountStatus: status } = await client.send(new sdk.CreateAccountCommand(input));
      return status as Required<sdk.CreateAccountStatus>;
    },
    async newPolicy(Name: string, Content = denyDelete): Promise<string> {
      const input = { Name, Description: "", Content, Type: SERVICE_CONTROL_POLICY };
      const { Policy } = await client.send(new sdk.CreatePolicyCommand(input));
      return Policy?.PolicySummary?.Id as string;
    },
  };
}
