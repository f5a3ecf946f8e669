import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { signingView } from "./signing-shapes.ts";

export const GetSigningConfiguration = operation("GetSigningConfiguration", {
  input: {},
  needs: onRegistry("ecr:GetSigningConfiguration"),
  throws: ["SigningConfigurationNotFound"],
  async run(_input, granted, { signing }) {
    const configuration = await signing.configuration(granted);
    return { registryId: granted.registry.account, signingConfiguration: signingView(configuration) };
  },
});
