import { newTags, requestTags } from "./needs.ts";
import { onProvider } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { ProviderArn, Tags } from "./policy-shapes.ts";

export const TagOpenIDConnectProvider = operation("TagOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, Tags },
  needs: onProvider("iam:TagOpenIDConnectProvider", ({ Tags }) => requestTags(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, Tags }, granted, { oidcProviders }) {
    await oidcProviders.tag(granted, OpenIDConnectProviderArn, newTags(Tags));
    return {};
  },
});
