import type {
  DeletedImage,
  DeletedRepository,
  Deletion,
  RepositoryRetention,
  StoredHold,
} from "../../domain/registry/retention-ports.ts";
import type { ReplicationOptions } from "../../domain/replication/ports.ts";
import type {
  DeletedImageView,
  DeletedRepositoryView,
  HoldView,
  ReplicationOptionsView,
  RetentionView,
} from "./contract.ts";

export function holdView({ target, reason, placedAt, placedBy, until }: StoredHold): HoldView {
  const imageId = target.includes(":") ? { imageDigest: target } : { imageTag: target };
  return { imageId, reason, placedAt, placedBy, ...(until && { until }) };
}

export function retentionView({ document, reportOnly, isProtected }: RepositoryRetention): RetentionView {
  return { ...(document !== undefined && { retentionText: document }), reportOnly, deletionProtection: isProtected };
}

export function deletedImageView({ digest, tags, pushedAt, imageBytes, deletion }: DeletedImage): DeletedImageView {
  return {
    imageDigest: digest,
    imageTags: [...tags],
    imagePushedAt: pushedAt,
    imageSizeInBytes: imageBytes,
    ...deletionView(deletion),
  };
}

export function deletedRepositoryView({ name, deletion }: DeletedRepository): DeletedRepositoryView {
  return { repositoryName: name, ...deletionView(deletion) };
}

function deletionView({ at: deletedAt, by: deletedBy, until: keptUntil }: Deletion) {
  return { deletedAt, deletedBy, keptUntil };
}

export function replicationOptionsView({
  deletes,
  untags,
  tags,
  settings,
}: ReplicationOptions): ReplicationOptionsView {
  return {
    replicateDeletes: deletes,
    replicateUntags: untags,
    tagFilters: [...tags],
    settings: [...settings],
  };
}
