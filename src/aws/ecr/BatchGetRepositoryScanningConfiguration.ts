import type { RepositoryScanningConfiguration, RepositoryScanningConfigurationFailure } from "@aws-sdk/client-ecr";
import { z } from "zod";
import { repositoryArn } from "../../domain/names.ts";
import type { ScannedRepository } from "../../domain/registry/scanning.ts";
import { operation } from "./operation.ts";
import { scanFiltersView } from "./scanning-shapes.ts";
import { RepositoryName } from "./shapes.ts";

export const BatchGetRepositoryScanningConfiguration = operation("BatchGetRepositoryScanningConfiguration", {
  input: { repositoryNames: z.array(RepositoryName).min(1).max(25) },
  needs: ({ repositoryNames }, registry) =>
    repositoryNames.map((name) => ({
      action: "ecr:BatchGetRepositoryScanningConfiguration",
      resource: repositoryArn(registry, name),
    })),
  throws: [],
  async run({ repositoryNames }, granted, { scanning }) {
    const { found, missing } = await scanning.ofRepositories(granted, repositoryNames);
    return {
      scanningConfigurations: found.map(view),
      failures: missing.map(
        (repositoryName): RepositoryScanningConfigurationFailure => ({
          repositoryName,
          failureCode: "REPOSITORY_NOT_FOUND",
          failureReason: "REPOSITORY_NOT_FOUND",
        }),
      ),
    };
  },
});

function view({ repository, frequency, filters }: ScannedRepository): RepositoryScanningConfiguration {
  const { registry, name, scanOnPush } = repository;
  return {
    repositoryArn: repositoryArn(registry, name),
    repositoryName: name,
    scanOnPush,
    scanFrequency: frequency,
    appliedScanFilters: scanFiltersView(filters),
  };
}
