import { tagKeys } from "./needs.ts";
import { onProvider } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { ProviderArn, TagKeys } from "./policy-shapes.ts";

export const UntagOpenIDConnectProvider = operation("UntagOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, TagKeys },
  needs: onProvider("iam:UntagOpenIDConnectProvider", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, TagKeys }, granted, { oidcProviders }) {
    await oidcProviders.untag(granted, OpenIDConnectProviderArn, TagKeys);
    return {};
  },
});
