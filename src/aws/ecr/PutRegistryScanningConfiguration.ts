import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { ScanningRules, ScanType, scanningOf, scanningView } from "./scanning-shapes.ts";

export const PutRegistryScanningConfiguration = operation("PutRegistryScanningConfiguration", {
  input: { scanType: ScanType.optional(), rules: ScanningRules.optional() },
  needs: onRegistry("ecr:PutRegistryScanningConfiguration"),
  throws: ["Validation"],
  async run({ scanType, rules }, granted, { scanning }) {
    const configuration = scanningOf(scanType, rules);
    await scanning.configure(granted, configuration);
    return { registryScanningConfiguration: scanningView(configuration) };
  },
});
