import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { type Digest, parseDigest } from "../../domain/names.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { DigestText, RegistryId, RepositoryName, UploadId } from "./shapes.ts";
import { uploadParts } from "./upload-parts.ts";

export const CompleteLayerUpload = operation("CompleteLayerUpload", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    uploadId: UploadId,
    layerDigests: z.array(DigestText).min(1).max(100),
  },
  needs: onRepository("ecr:CompleteLayerUpload"),
  throws: [
    "RepositoryNotFound",
    "UploadNotFound",
    "UploadBusy",
    "UploadEmpty",
    "LayerPartTooSmall",
    "LayerDigestMismatch",
    "LayerAlreadyExists",
    "StorageFull",
    "KeyUnusable",
  ],
  async run({ repositoryName, uploadId, layerDigests }, granted, { layers }) {
    const { parts } = await layers.status(granted, repositoryName, uploadId);
    if (parts === 0) throw refuse("UploadEmpty", { upload: uploadId });
    // A digest of an algorithm that we do not calculate can match nothing.
    const digests = layerDigests.map(parseDigest).filter((digest): digest is Digest => digest !== undefined);
    const layer = await layers.complete(granted, repositoryName, uploadId, digests, {
      minimumPartBytes: uploadParts.minimumBytes,
      refuseExisting: true,
    });
    return { registryId: granted.registry.account, repositoryName, uploadId, layerDigest: layer.digest };
  },
});
