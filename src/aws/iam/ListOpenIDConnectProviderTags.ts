import { pageOf } from "./lists.ts";
import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { ProviderArn, paged } from "./policy-shapes.ts";
import { tagsView } from "./role-views.ts";

export const ListOpenIDConnectProviderTags = operation("ListOpenIDConnectProviderTags", {
  input: { OpenIDConnectProviderArn: ProviderArn, ...paged },
  needs: onProvider("iam:ListOpenIDConnectProviderTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { oidcProviders, paging }) {
    const { tags } = await oidcProviders.get(granted, input.OpenIDConnectProviderArn);
    const of = ["ListOpenIDConnectProviderTags", input.OpenIDConnectProviderArn];
    const { items, ...page } = await pageOf(paging, tagsView(tags), { granted, of, input });
    return { Tags: [...items], ...page };
  },
});
