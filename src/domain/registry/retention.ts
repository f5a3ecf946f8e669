import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { checkRetention } from "../lifecycle/retention.ts";
import type { RepositoryName } from "../names.ts";
import type { Metadata } from "./ports.ts";
import { existing, kept } from "./repositories.ts";
import type { RepositoryRetention } from "./retention-ports.ts";

/** What a repository says of itself beyond ECR. Each method acts in the registry that the grant is for. */
export interface RetentionService {
  /** What is there, or what holds for all. */
  get(granted: Granted, name: RepositoryName): Promise<RepositoryRetention>;
  /** Sets what is given and leaves the rest. @throws InvalidParameter for a document that is none */
  put(
    granted: Granted,
    name: RepositoryName,
    retention: Partial<Pick<RepositoryRetention, "document" | "reportOnly">>,
  ): Promise<RepositoryRetention>;
  /** Back to what holds for all. Answers what was there. @throws RetentionNotFound */
  delete(granted: Granted, name: RepositoryName): Promise<RepositoryRetention>;
  protect(granted: Granted, name: RepositoryName, isProtected: boolean): Promise<void>;
}

export function createRetention({ metadata }: { readonly metadata: Metadata }): RetentionService {
  return {
    async get({ registry }, name) {
      const { id } = await existing(metadata.read.repositories, registry, name);
      return metadata.read.retentions.find(id);
    },
    async put({ registry }, name, retention) {
      if (retention.document !== undefined) checkedRetention(retention.document);
      return metadata.transact(async (nouns) => {
        const { id } = await kept(nouns.repositories, registry, name);
        await nouns.retentions.update(id, retention);
        return nouns.retentions.find(id);
      });
    },
    async delete({ registry }, name) {
      return metadata.transact(async (nouns) => {
        const { id } = await kept(nouns.repositories, registry, name);
        const before = await nouns.retentions.find(id);
        if (before.document === undefined && !before.reportOnly) {
          throw refuse("RetentionNotFound", { repository: name, registry });
        }
        await nouns.retentions.update(id, { document: undefined, reportOnly: false });
        return before;
      });
    },
    async protect({ registry }, name, isProtected) {
      await metadata.transact(async (nouns) => {
        const { id } = await kept(nouns.repositories, registry, name);
        await nouns.retentions.update(id, { isProtected });
      });
    },
  };
}

/** @throws InvalidParameter */
export function checkedRetention(document: string) {
  const checked = checkRetention(document, "retentionText");
  if ("problem" in checked) throw refuse("InvalidParameter", { ...checked.problem });
  return checked.retention;
}
