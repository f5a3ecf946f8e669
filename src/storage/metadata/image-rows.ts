import type { Selectable } from "kysely";
import type { Image } from "../../domain/registry/ports.ts";
import { statusOf } from "./image-status.ts";
import type { Schema } from "./schema.ts";

export type ImageRow = Selectable<Schema["image"]>;

export const imageColumns = [
  "image.id",
  "image.repository_id",
  "image.digest",
  "image.media_type",
  "image.artifact_type",
  "image.manifest_bytes",
  "image.image_bytes",
  "image.subject",
  "image.annotations",
  "image.pushed_at",
  "image.last_pulled_at",
  "image.status",
  "image.last_archived_at",
  "image.last_activated_at",
] as const;

export function toImage(row: Omit<ImageRow, "tag_count" | "scan" | "signings">): Image {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    manifestBytes: row.manifest_bytes,
    imageBytes: row.image_bytes,
    subject: row.subject ?? undefined,
    annotations: row.annotations === null ? undefined : (JSON.parse(row.annotations) as Record<string, string>),
    pushedAt: new Date(row.pushed_at),
    lastPulledAt: toDate(row.last_pulled_at),
    status: statusOf(row.status),
    lastArchivedAt: toDate(row.last_archived_at),
    lastActivatedAt: toDate(row.last_activated_at),
  };
}

const toDate = (ms: number | null) => (ms === null ? undefined : new Date(ms));
