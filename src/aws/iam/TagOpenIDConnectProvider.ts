import { requestTags } from "./facts.ts";
import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { newTags, ProviderArn, Tags } from "./shapes.ts";

export const TagOpenIDConnectProvider = operation("TagOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn, Tags },
  needs: onProvider("iam:TagOpenIDConnectProvider", ({ Tags }) => requestTags(Tags)),
  throws: ["InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ OpenIDConnectProviderArn, Tags }, granted, { oidcProviders }) {
    await oidcProviders.tag(granted, OpenIDConnectProviderArn, newTags(Tags));
    return {};
  },
});
