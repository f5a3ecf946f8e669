import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn } from "./shapes.ts";
import { tagsView } from "./views.ts";

export const GetOpenIDConnectProvider = operation("GetOpenIDConnectProvider", {
  input: { OpenIDConnectProviderArn: ProviderArn },
  needs: onProvider("iam:GetOpenIDConnectProvider"),
  throws: ["NoSuchEntity"],
  async run({ OpenIDConnectProviderArn }, granted, { oidcProviders }) {
    const provider = await oidcProviders.get(granted, OpenIDConnectProviderArn);
    return {
      Url: provider.url,
      ClientIDList: [...provider.clientIds],
      ThumbprintList: [...provider.thumbprints],
      CreateDate: provider.createdAt,
      Tags: tagsView(provider.tags),
    };
  },
});
