import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ClientId, ProviderArn } from "./shapes.ts";

export const RemoveClientIDFromOpenIDConnectProvider = operation("RemoveClientIDFromOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, ClientID: ClientId },
  needs: onProvider("iam:RemoveClientIDFromOpenIDConnectProvider"),
  throws: ["NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, ClientID }, granted, { oidcProviders }) {
    await oidcProviders.removeClientId(granted, OpenIDConnectProviderArn, ClientID);
    return {};
  },
});
