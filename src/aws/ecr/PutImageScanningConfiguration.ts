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
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, imageScanningConfiguration }, granted, { repositories }) {
    const { scanOnPush = false } = imageScanningConfiguration;
    await repositories.setScanOnPush(granted, repositoryName, scanOnPush);
    return { registryId: granted.registry.account, repositoryName, imageScanningConfiguration: { scanOnPush } };
  },
});
