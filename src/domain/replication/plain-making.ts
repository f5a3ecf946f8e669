import type { Access } from "../access.ts";
import { repositoryArn } from "../names.ts";
import type { Metadata } from "../registry/ports.ts";
import type { RepositoryService } from "../registry/repositories.ts";
import type { RepositoryMaking } from "../registry/repository-making.ts";

/** STANDIN until templates land. */
export function plainMaking(metadata: Metadata, access: Access, repositories: RepositoryService): RepositoryMaking {
  return {
    async ensure(caller, registry, name) {
      const found = await metadata.read.repositories.find(registry, name);
      if (found) return { repository: found };
      const granted = await access.grant(caller, registry, [
        { action: "ecr:CreateRepository", resource: repositoryArn(registry, name) },
      ]);
      try {
        return { repository: await repositories.create(granted, { name }), made: granted };
      } catch (error) {
        const made = await metadata.read.repositories.find(registry, name);
        if (!made) throw error;
        return { repository: made };
      }
    },
  };
}
