import { sql } from "kysely";
import type { Access, Granted } from "../../src/domain/access.ts";
import { rootPrincipal } from "../../src/domain/identity/credentials.ts";
import type { AccountId, Region, Registry } from "../../src/domain/names.ts";
import { createImages, type ImageService } from "../../src/domain/registry/images.ts";
import { createLayers, type LayerService } from "../../src/domain/registry/layers.ts";
import type { BlobKeys, BlobStore } from "../../src/domain/registry/ports.ts";
import { createPullTimes, type PullTimes } from "../../src/domain/registry/pull-times.ts";
import { createRepositories, type RepositoryService } from "../../src/domain/registry/repositories.ts";
import { decisionParts, rootAccess } from "../../src/domain/testing.ts";
import { type Disk, realDisk } from "../../src/storage/blobs/disk.ts";
import { openFilesystemBlobs } from "../../src/storage/blobs/filesystem.ts";
import { testKeys } from "../../src/storage/blobs/test-keys.ts";
import { type AllMetadata, type Engine, metadata as metadataOver } from "../../src/storage/metadata/metadata.ts";
import { openSqliteEngine } from "../../src/storage/metadata/sqlite.ts";
import { type Faults, faultyDisk } from "./faults.ts";
import { faultyEngine } from "./faulty-database.ts";

/** The domain over stores that may fail, put together as src/compose.ts does it, without surfaces. */
export interface Berth {
  readonly granted: Granted;
  readonly repositories: RepositoryService;
  readonly layers: LayerService;
  readonly images: ImageService;
  readonly pullTimes: PullTimes;
  readonly metadata: AllMetadata;
  readonly blobs: BlobStore;
  /** The database without faults, for those who check it. */
  readonly engine: Engine;
  readonly clock: () => Date;
  close(): Promise<void>;
}

export interface Place {
  readonly database: string;
  readonly blobs: string;
  readonly disk?: Disk;
}

/** Few, so that a short run sees the log moved to the database and begun again; SQLite's own choice is 1000. */
const logPages = 80;

export const registry: Registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };

/** Ways in which Berth could be wrong, to prove that the harness would see it. */
export interface Sabotage {
  /** Between Berth and what it was given. */
  disk?(disk: Disk): Disk;
  metadata?(metadata: AllMetadata): AllMetadata;
  blobs?(blobs: BlobStore): BlobStore;
  /** The log of the database is never synced. */
  readonly skipsLogSync?: boolean;
}

interface Options {
  readonly clock: () => Date;
  readonly faults?: Faults;
  readonly sabotage?: Sabotage;
}

export async function openBerth(place: Place, options: Options): Promise<Berth> {
  const engine = await openSqliteEngine({ path: place.database });
  try {
    return await overEngine(engine, place, options);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function overEngine(engine: Engine, place: Place, { faults, clock, sabotage = {} }: Options): Promise<Berth> {
  await sql`pragma wal_autocheckpoint = ${sql.raw(String(logPages))}`.execute(engine.durable);
  const { disk = (same) => same, blobs: store = (same) => same, metadata: database = (same) => same } = sabotage;
  const sound = disk(place.disk ?? realDisk);
  const blobs = store(
    await openFilesystemBlobs({
      root: place.blobs,
      keys: everyOtherSealed(),
      disk: faults ? faultyDisk(sound, faults) : sound,
    }),
  );
  const metadata = database(metadataOver(faults ? faultyEngine(engine, faults) : engine));
  const pullTimes = createPullTimes({ metadata, clock });
  return {
    granted: await rootGrant(rootAccess()),
    repositories: createRepositories({ metadata, ...decisionParts(metadata), clock }),
    layers: createLayers({ metadata, blobs, ...decisionParts(metadata), clock }),
    images: createImages({ metadata, ...decisionParts(metadata), pullTimes, clock }),
    pullTimes,
    metadata,
    blobs,
    engine,
    clock,
    async close() {
      await blobs.close();
      await engine.close();
    },
  };
}

/** Plain and sealed uploads side by side, in the same order whenever the same is played. */
function everyOtherSealed(): BlobKeys {
  let uploads = 0;
  return { ...testKeys({ secret: "the same in every process" }), seals: () => uploads++ % 2 === 0 };
}

function rootGrant(access: Access): Promise<Granted> {
  const caller = {
    principal: rootPrincipal(registry.account),
    requestId: "test",
    sourceIp: "127.0.0.1",
    secureTransport: true,
    note() {},
  };
  return access.grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
}
