import { onProvider, tagFacts } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn, Tags, tagsOf } from "./policy-shapes.ts";

export const TagOpenIDConnectProvider = operation("TagOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, Tags },
  needs: onProvider("iam:TagOpenIDConnectProvider", ({ Tags }) => tagFacts(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, Tags }, granted, { oidcProviders }) {
    await oidcProviders.tag(granted, OpenIDConnectProviderArn, tagsOf(Tags));
    return {};
  },
});
