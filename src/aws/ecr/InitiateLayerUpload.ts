import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { uploadParts } from "./upload-parts.ts";

export const InitiateLayerUpload = operation("InitiateLayerUpload", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("ecr:InitiateLayerUpload"),
  throws: ["RepositoryNotFound", "TooManyUploads", "KeyUnusable"],
  async run({ repositoryName }, granted, { layers }) {
    const upload = await layers.begin(granted, repositoryName);
    return { uploadId: upload.id, partSize: uploadParts.advisedBytes };
  },
});
