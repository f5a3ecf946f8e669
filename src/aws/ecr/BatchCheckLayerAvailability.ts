import type { Layer, LayerFailure } from "@aws-sdk/client-ecr";
import { z } from "zod";
import { type Digest, parseDigest } from "../../domain/names.ts";
import type { LayerLink } from "../../domain/registry/ports.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { digestPattern, RegistryId, RepositoryName } from "./shapes.ts";

export const BatchCheckLayerAvailability = operation("BatchCheckLayerAvailability", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    layerDigests: z.array(z.string().max(1000)).min(1).max(100),
  },
  needs: onRepository("ecr:BatchCheckLayerAvailability"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, layerDigests }, granted, { layers, pullThrough }) {
    const digests = layerDigests.map(parseDigest).filter((digest): digest is Digest => digest !== undefined);
    const present = await layers.present(granted, repositoryName, digests);
    // A cache has them as soon as somebody asks for them.
    const awaited = await pullThrough.awaited(granted, repositoryName, digests);
    const byDigest = new Map<string, Known>([...awaited, ...present].map((layer) => [layer.digest, layer]));
    const wellFormed = layerDigests.filter((digest) => digestForm.test(digest));
    return {
      layers: wellFormed.map((digest) => layerView(digest, byDigest.get(digest))),
      failures: layerDigests.filter((digest) => !digestForm.test(digest)).map(failure),
    };
  },
});

const digestForm = new RegExp(`^${digestPattern}$`);

type Known = Pick<LayerLink, "sizeBytes" | "mediaType"> & Partial<Pick<LayerLink, "isArchived">>;

function layerView(layerDigest: string, link: Known | undefined): Layer {
  if (!link) return { layerDigest, layerAvailability: "UNAVAILABLE" };
  const layerAvailability = link.isArchived ? "ARCHIVED" : "AVAILABLE";
  return { layerDigest, layerAvailability, layerSize: link.sizeBytes, mediaType: link.mediaType };
}

function failure(layerDigest: string): LayerFailure {
  const invalid = "Invalid request parameters:";
  if (layerDigest === "") {
    return { layerDigest, failureCode: "MissingLayerDigest", failureReason: `${invalid} layer digest cannot be empty` };
  }
  const failureReason = `${invalid} layer digest should satisfy the regex '${digestPattern}'`;
  return { layerDigest, failureCode: "InvalidLayerDigest", failureReason };
}
