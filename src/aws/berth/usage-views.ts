import type { UsageFigures } from "../../domain/registry/usage-ports.ts";
import type { RegistryUsageFigures, RepositoryUsageFigures } from "./contract.ts";

export function repositoryFigures(figures: UsageFigures): RepositoryUsageFigures {
  const { images, taggedImages, archivedImages, layers, layerBytes, uniqueBytes } = figures;
  return {
    imageCount: images,
    taggedImageCount: taggedImages,
    untaggedImageCount: images - taggedImages,
    archivedImageCount: archivedImages,
    layerCount: layers,
    layerBytes,
    uniqueBytes,
    sharedBytes: layerBytes - uniqueBytes,
    archivedBytes: figures.archivedBytes,
    manifestBytes: figures.manifestBytes,
    archivedManifestBytes: figures.archivedManifestBytes,
    waitingBytes: figures.waitingBytes,
  };
}

export function registryFigures(figures: UsageFigures): RegistryUsageFigures {
  return { ...repositoryFigures(figures), repositoryCount: figures.repositories, logicalBytes: figures.logicalBytes };
}
