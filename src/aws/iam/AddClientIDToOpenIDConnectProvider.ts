import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ClientId, ProviderArn } from "./shapes.ts";

export const AddClientIDToOpenIDConnectProvider = operation("AddClientIDToOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, ClientID: ClientId },
  needs: onProvider("iam:AddClientIDToOpenIDConnectProvider"),
  throws: ["LimitExceeded", "NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, ClientID }, granted, { oidcProviders }) {
    await oidcProviders.addClientId(granted, OpenIDConnectProviderArn, ClientID);
    return {};
  },
});
