import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageScanningConfiguration, RegistryId, RepositoryName } from "./shapes.ts";

export const PutImageScanningConfiguration = operation("PutImageScanningConfiguration", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageScanningConfiguration: ImageScanningConfiguration,
  },
  needs: onRepository("ecr:PutImageScanningConfiguration"),
  throws: ["RepositoryNotFound", "Validation"],
  async run({ repositoryName, imageScanningConfiguration }, granted, { scanning }) {
    const { scanOnPush = false } = imageScanningConfiguration;
    await scanning.setOnPush(granted, repositoryName, scanOnPush);
    return { registryId: granted.registry.account, repositoryName, imageScanningConfiguration: { scanOnPush } };
  },
});
