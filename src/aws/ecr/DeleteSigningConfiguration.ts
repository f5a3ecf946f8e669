import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { signingView } from "./signing-shapes.ts";

export const DeleteSigningConfiguration = operation("DeleteSigningConfiguration", {
  input: {},
  needs: onRegistry("ecr:DeleteSigningConfiguration"),
  throws: ["SigningConfigurationNotFound"],
  async run(_input, granted, { signing }) {
    const removed = await signing.remove(granted);
    return { registryId: granted.registry.account, signingConfiguration: signingView(removed) };
  },
});
