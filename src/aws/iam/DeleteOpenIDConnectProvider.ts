import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn } from "./shapes.ts";

export const DeleteOpenIDConnectProvider = operation("DeleteOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn },
  needs: onProvider("iam:DeleteOpenIDConnectProvider"),
  throws: [],
  async run({ OpenIDConnectProviderArn }, granted, { oidcProviders }) {
    await oidcProviders.delete(granted, OpenIDConnectProviderArn);
    return {};
  },
});
