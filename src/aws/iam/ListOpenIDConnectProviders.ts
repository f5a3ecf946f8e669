import type { Arn } from "../../domain/names.ts";
import { operation } from "./operation.ts";

export const ListOpenIDConnectProviders = operation("ListOpenIDConnectProviders", {
  input: {},
  needs: (_input, { account }) => [
    { action: "iam:ListOpenIDConnectProviders", resource: `arn:aws:iam::${account}:oidc-provider/*` as Arn },
  ],
  throws: [],
  async run(_input, granted, { oidcProviders }) {
    const providers = await oidcProviders.list(granted);
    return { OpenIDConnectProviderList: providers.map(({ arn }) => ({ Arn: arn })) };
  },
});
