import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { Blob } from "../blob.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName, UploadId } from "./shapes.ts";
import { uploadParts } from "./upload-parts.ts";

export const UploadLayerPart = operation("UploadLayerPart", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    uploadId: UploadId,
    partFirstByte: z.number().int().min(0),
    partLastByte: z.number().int().min(0),
    layerPartBlob: Blob(uploadParts.maximumBytes),
  },
  needs: onRepository("ecr:UploadLayerPart"),
  throws: [
    "RepositoryNotFound",
    "UploadNotFound",
    "UploadBusy",
    "UploadOutOfOrder",
    "UploadSizeMismatch",
    "LimitExceeded",
    "LayerTooLarge",
    "UploadInterrupted",
    "StorageFull",
    "KeyUnusable",
  ],
  // 20 MiB are 28 MB of base64.
  maxBodyBytes: 32 * 1024 * 1024,
  async run(input, granted, { layers }) {
    const { repositoryName, uploadId, partFirstByte, partLastByte, layerPartBlob } = input;
    const { parts } = await layers.status(granted, repositoryName, uploadId);
    if (parts >= uploadParts.maximumCount) {
      throw refuse("LimitExceeded", { reason: `A layer upload can have at most ${uploadParts.maximumCount} parts` });
    }
    const upload = await layers.append(granted, repositoryName, uploadId, once(layerPartBlob), {
      offset: partFirstByte,
      sizeBytes: partLastByte - partFirstByte + 1,
    });
    const lastByteReceived = upload.staged.sizeBytes - 1;
    return { registryId: granted.registry.account, repositoryName, uploadId, lastByteReceived };
  },
});

async function* once(bytes: Uint8Array) {
  yield bytes;
}
