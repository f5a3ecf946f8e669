import { type Kysely, sql } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";

export interface AwaitedContentTable {
  image_id: number;
  repository_id: number;
  digest: Digest;
  /** Of a layer; null for a manifest that an index lists. */
  media_type: string | null;
  size_bytes: number;
}

export interface UpstreamCheckTable {
  repository_id: number;
  /** `tag:latest`, `referrers:sha256:…` */
  what: string;
  upstream: string;
  digest: Digest | null;
  checked_at: number;
}

/** What images of caches refer to that has not come yet, and when upstreams were asked what changes there. */
export async function createPullThroughCache(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  const statements = [
    sql`create table awaited_content (
      image_id ${integer} not null references image (id) on delete cascade,
      repository_id ${integer} not null,
      digest ${text} not null,
      media_type ${text},
      size_bytes ${integer} not null,
      primary key (repository_id, digest, image_id)
    ) ${orderedTable}`,
    sql`create index awaited_content_by_image on awaited_content (image_id)`,
    sql`create table upstream_check (
      repository_id ${integer} not null references repository (id) on delete cascade,
      what ${text} not null,
      upstream ${text} not null,
      digest ${text},
      checked_at ${integer} not null,
      primary key (repository_id, what)
    ) ${orderedTable}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
