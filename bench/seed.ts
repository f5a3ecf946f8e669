import { Database } from "bun:sqlite";
import { openMetadata } from "../src/storage/metadata/index.ts";

export interface SeededRepository {
  readonly name: string;
  readonly images: number;
}

/** Sixteen images share a layer, as builds of one program do. */
const imagesPerLayer = 16;

/**
 * Fills a new SQLite database, made by Berth's own migrations, with repositories of tagged images of two layers. The
 * rows are made within SQLite, which takes some twenty seconds for a million images; pushing them would take hours.
 * Their digests are random, so no manifest can be pulled, but every list reads as it would after pushes.
 */
export async function seed(path: string, repositories: readonly SeededRepository[]): Promise<void> {
  const metadata = await openMetadata(`sqlite:${path}`);
  await metadata.close();
  const db = new Database(path);
  try {
    db.run("pragma foreign_keys = off");
    db.run("pragma synchronous = off");
    db.run("pragma cache_size = -1000000");
    db.run("pragma temp_store = memory");
    db.transaction(() => {
      for (const repository of repositories) fill(db, repository);
    })();
    db.run("pragma wal_checkpoint(truncate)");
  } finally {
    db.close();
  }
}

function fill(db: Database, { name, images }: SeededRepository): void {
  const { id } = db
    .query(
      `insert into repository (account, region, name, tag_mutability, exclusion_filters, scan_on_push, created_at)
       values ('000000000000', 'us-east-1', ?, 'MUTABLE', '[]', 0, ?) returning id`,
    )
    .get(name, Date.now()) as { id: number };
  const run = (sql: string) => db.query(sql).run({ $repository: id, $images: images, $now: Date.now() });

  const digest = "'sha256:' || lower(hex(randomblob(32)))";
  run(`create temp table seed_layer as with recursive n (i) as (select 0 union all select i + 1 from n where i <= $images / ${imagesPerLayer})
       select i, ${digest} as digest from n`);
  run("create unique index temp.seed_layer_by_number on seed_layer (i)");
  run("insert into blob (digest, key_scope, size_bytes) select digest, '', 30000000 from seed_layer order by digest");
  run(
    "insert into layer_link (repository_id, digest, key_scope, linked_at) select $repository, digest, '', $now from seed_layer order by digest",
  );
  run(`insert into image (repository_id, digest, media_type, manifest_bytes, image_bytes, pushed_at, tag_count)
       with recursive n (i) as (select 1 union all select i + 1 from n where i < $images)
       select $repository, ${digest}, 'application/vnd.oci.image.manifest.v1+json', 500, 60000000, $now - $images + i, 1 from n`);
  run(
    "create temp table seed_image as select id, id - min(id) over () as i from image where repository_id = $repository",
  );
  run(`insert into image_manifest (image_id, bytes)
       select id, cast(printf('{"schemaVersion":2,"annotations":{"seeded":"%d"}}', id) || printf('%450s', '') as blob) from seed_image`);
  for (const next of [0, 1]) {
    run(`insert into image_layer (image_id, repository_id, digest, media_type)
         select seed_image.id, $repository, seed_layer.digest, 'application/vnd.oci.image.layer.v1.tar+gzip'
         from seed_image join seed_layer on seed_layer.i = seed_image.i / ${imagesPerLayer} + ${next}
         order by seed_layer.digest, seed_image.id`);
  }
  run(
    "insert into tag (repository_id, tag, image_id, moved_at) select $repository, printf('v%08d', i), id, $now from seed_image",
  );
  run(`insert into tag_move (repository_id, tag, from_digest, to_digest, moved_at, moved_by)
       select $repository, printf('v%08d', seed_image.i), null, image.digest, $now, 'arn:aws:iam::000000000000:root'
       from seed_image join image on image.id = seed_image.id`);
  run("drop table temp.seed_layer");
  run("drop table temp.seed_image");
}

/** The tag of an image by its place in its repository. */
export function seededTag(index: number): string {
  return `v${String(index).padStart(8, "0")}`;
}
