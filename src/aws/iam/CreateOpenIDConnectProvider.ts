import { z } from "zod";
import { providerArn } from "../../domain/identity/oidc-providers.ts";
import { toCreate } from "./needs.ts";
import { operation } from "./operation.ts";
import { ClientId, newTags, Tags, Thumbprints } from "./shapes.ts";
import { tagsView } from "./views.ts";

export const CreateOpenIDConnectProvider = operation("CreateOpenIDConnectProvider", {
  input: {
    Url: z.string().min(1).max(255),
    ClientIDList: z.array(ClientId).optional(),
    ThumbprintList: Thumbprints.optional(),
    Tags: Tags.optional(),
  },
  needs({ Url, Tags }, { account }) {
    const resource = providerArn(account, Url);
    return toCreate("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider", resource, Tags);
  },
  throws: ["EntityAlreadyExists", "InvalidInput", "LimitExceeded"],
  async run({ Url, ClientIDList = [], ThumbprintList = [], Tags }, granted, { oidcProviders }) {
    const { arn, tags } = await oidcProviders.create(granted, {
      url: Url,
      clientIds: ClientIDList,
      thumbprints: ThumbprintList,
      tags: newTags(Tags),
    });
    return { OpenIDConnectProviderArn: arn, Tags: tagsView(tags) };
  },
});
