import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { SigningConfiguration, signingOf, signingView } from "./signing-shapes.ts";

export const PutSigningConfiguration = operation("PutSigningConfiguration", {
  input: { signingConfiguration: SigningConfiguration },
  needs: onRegistry("ecr:PutSigningConfiguration"),
  throws: ["Validation"],
  async run({ signingConfiguration }, granted, { signing }) {
    const configuration = signingOf(signingConfiguration);
    await signing.configure(granted, configuration);
    return { signingConfiguration: signingView(configuration) };
  },
});
