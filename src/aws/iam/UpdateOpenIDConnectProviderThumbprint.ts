import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn, Thumbprints } from "./shapes.ts";

export const UpdateOpenIDConnectProviderThumbprint = operation("UpdateOpenIDConnectProviderThumbprint", {
  input: { OpenIDConnectProviderArn: ProviderArn, ThumbprintList: Thumbprints.min(1) },
  needs: onProvider("iam:UpdateOpenIDConnectProviderThumbprint"),
  throws: ["InvalidInput", "NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, ThumbprintList }, granted, { oidcProviders }) {
    await oidcProviders.setThumbprints(granted, OpenIDConnectProviderArn, ThumbprintList);
    return {};
  },
});
