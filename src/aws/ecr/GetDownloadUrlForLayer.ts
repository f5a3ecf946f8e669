import { refuse } from "../../domain/errors.ts";
import { parseDigest } from "../../domain/names.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { DigestText, RegistryId, RepositoryName } from "./shapes.ts";

export const GetDownloadUrlForLayer = operation("GetDownloadUrlForLayer", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, layerDigest: DigestText },
  needs: onRepository("ecr:GetDownloadUrlForLayer"),
  throws: ["RepositoryNotFound", "LayerNotFound", "LayerInaccessible", "LayerDamaged", "UnableToGetUpstreamLayer"],
  async run(
    { repositoryName, layerDigest },
    granted,
    { repositories, layers, pullThrough, registryTokens, addresses, resources },
    key,
  ) {
    const { caller, registry } = granted;
    const digest = parseDigest(layerDigest);
    if (!digest) {
      await repositories.describe(granted, [repositoryName]);
      throw refuse("LayerNotFound", { repository: repositoryName, registry, digest: layerDigest });
    }
    await pullThrough.downloadable(granted, repositoryName, digest, () =>
      layers.downloadable(granted, repositoryName, digest),
    );
    const incarnation = await resources.incarnation(registry, repositoryName);
    const layer = { registry, repository: repositoryName, incarnation, digest };
    const token = registryTokens.issueLayer(caller.principal, key, layer);
    return { downloadUrl: addresses.layerUrl(registry, repositoryName, digest, token), layerDigest };
  },
});
