import { tagKeys } from "./facts.ts";
import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn, TagKeys } from "./shapes.ts";

export const UntagOpenIDConnectProvider = operation("UntagOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, TagKeys },
  needs: onProvider("iam:UntagOpenIDConnectProvider", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, TagKeys }, granted, { oidcProviders }) {
    await oidcProviders.untag(granted, OpenIDConnectProviderArn, TagKeys);
    return {};
  },
});
