import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { scanningView } from "./scanning-shapes.ts";

export const GetRegistryScanningConfiguration = operation("GetRegistryScanningConfiguration", {
  input: {},
  needs: onRegistry("ecr:GetRegistryScanningConfiguration"),
  throws: [],
  async run(_input, granted, { scanning }) {
    return {
      registryId: granted.registry.account,
      scanningConfiguration: scanningView(await scanning.configuration(granted)),
    };
  },
});
