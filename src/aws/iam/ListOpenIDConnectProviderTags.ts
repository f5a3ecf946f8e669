import { onProvider } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { ProviderArn, paged } from "./shapes.ts";
import { sortedTags } from "./views.ts";

export const ListOpenIDConnectProviderTags = operation("ListOpenIDConnectProviderTags", {
  input: { OpenIDConnectProviderArn: ProviderArn, ...paged },
  needs: onProvider("iam:ListOpenIDConnectProviderTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { oidcProviders, paging }) {
    const { tags } = await oidcProviders.get(granted, input.OpenIDConnectProviderArn);
    const keyOf = ({ Key }: { Key: string }) => Key;
    const { items, rest } = await listPage(paging, {
      of: ["ListOpenIDConnectProviderTags", granted.registry.account, input.OpenIDConnectProviderArn],
      input,
      read: inPages(sortedTags(tags), keyOf),
      keyOf,
    });
    return { Tags: [...items], ...rest };
  },
});
