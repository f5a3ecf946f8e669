import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely, sql } from "kysely";
import pg from "pg";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Generation } from "../../domain/registry/ports.ts";
import { auditContract } from "./audit-contract.ts";
import { cacheContract } from "./cache-contract.ts";
import { metadataContract } from "./contract.ts";
import { creationTemplateContract } from "./creation-template-contract.ts";
import { identityContract } from "./identity-contract.ts";
import { jobContract } from "./job-contract.ts";
import { jobRaces } from "./job-races.ts";
import { keyContract } from "./key-contract.ts";
import { lifecycleContract } from "./lifecycle-contract.ts";
import { metadata as createMetadata, type Engine } from "./metadata.ts";
import { migrationContract } from "./migration-contract.ts";
import { DatabaseTooNew } from "./migrations.ts";
import type { AllNouns } from "./nouns.ts";
import { openPool, openPostgres, openPostgresEngine, postgresFlavour } from "./postgres.ts";
import { postgresDialect } from "./postgres-driver.ts";
import { pullThroughContract } from "./pull-through-contract.ts";
import { replicationContract } from "./replication-contract.ts";
import { retentionContract } from "./retention-contract.ts";
import { retentionRaces } from "./retention-races.ts";
import { scanningContract } from "./scanning-contract.ts";
import type { Schema } from "./schema.ts";
import { scopeContract } from "./scope-contract.ts";
import { secretContract } from "./secret-contract.ts";
import { DatabaseOccupied, loadSnapshot, occupant, openSnapshot, takeSnapshot } from "./snapshot.ts";
import { openSqliteEngine } from "./sqlite.ts";
import { storageClassContract } from "./storage-class-contract.ts";
import { type TestPostgres, withTestPostgres } from "./test-postgres.ts";
import { usageContract } from "./usage-contract.ts";

const slowMs = 60_000;

await withTestPostgres(postgresTests);

function postgresTests(server: TestPostgres): void {
  async function open() {
    const metadata = await openPostgres({ url: await server.createDatabase() });
    return { metadata, dispose: () => metadata.close() };
  }
  metadataContract("PostgreSQL", open);
  identityContract("PostgreSQL", open);
  keyContract("PostgreSQL", open);
  auditContract("PostgreSQL", open);
  lifecycleContract("PostgreSQL", open);
  creationTemplateContract("PostgreSQL", open);
  scanningContract("PostgreSQL", open);
  secretContract("PostgreSQL", open);
  cacheContract("PostgreSQL", open);
  pullThroughContract("PostgreSQL", open);
  storageClassContract("PostgreSQL", open);
  usageContract("PostgreSQL", open);
  jobContract("PostgreSQL", open);
  jobRaces("PostgreSQL", open);
  scopeContract("PostgreSQL", open);
  replicationContract("PostgreSQL", open);
  retentionContract("PostgreSQL", open);
  retentionRaces("PostgreSQL", open);
  migrationContract("PostgreSQL", async () => {
    const pool = openPool({ connectionString: await server.createDatabase(), max: 1 });
    const db = new Kysely<Schema>({ dialect: postgresDialect({ pool, begin: "begin", selectsOnly: false }) });
    return { db, flavour: postgresFlavour, close: () => pool.end() };
  });

  /** Runs `work` with a database that is empty, and with a plain connection to it. */
  async function withDatabase(work: (url: string, plain: pg.Client) => Promise<void>): Promise<void> {
    const url = await server.createDatabase();
    const plain = new pg.Client({ connectionString: url });
    await plain.connect();
    try {
      await work(url, plain);
    } finally {
      await plain.end();
    }
  }

  /** Cuts every connection of Berth, as a restarted server does. */
  const cutAll = (plain: pg.Client) =>
    plain.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'berth' and datname = current_database()",
    );

  describe("a snapshot", () => {
    /** Rows of every table but the book of migrations, as the database itself orders them. */
    async function rowsIn({ reader }: Engine): Promise<Record<string, unknown[]>> {
      const tables = (await reader.introspection.getTables()).map(({ name }) => name).sort();
      const rows: Record<string, unknown[]> = {};
      for (const name of tables) {
        const found = await reader
          .selectFrom(name as "blob")
          .selectAll()
          .execute();
        rows[name] = found.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
      }
      return rows;
    }

    const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
    const settings = { tagMutability: "MUTABLE", exclusionFilters: ["*-dev"], scanOnPush: true } as const;
    const at = new Date(Date.UTC(2026, 0, 1));
    const digestOf = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest;

    /** A row in every table of identity. */
    async function fillIdentity(nouns: AllNouns): Promise<void> {
      const { account } = registry;
      const { accounts, identities, accessKeys, managedPolicies, oidcProviders, organizations } = nouns;
      const tags = new Map([["snow", "☃"]]);
      const arn = "arn:aws:iam::000000000001:policy/pull" as Arn;
      await accounts.create({ id: account, name: "n", email: "e", status: "ACTIVE", createdAt: at });
      const policy = { account, arn, path: "/", name: "pull", uniqueId: "ANPA", createdAt: at, updatedAt: at, tags };
      const first = { version: "v1", document: "{}", createdAt: at };
      await managedPolicies.create({ ...policy, defaultVersion: "v1", nextVersion: 2 }, first);
      const made: number[] = [];
      for (const kind of ["user", "group", "role"] as const) {
        const identity = { account, kind, path: "/", name: kind, uniqueId: kind, createdAt: at, tags, boundary: arn };
        made.push((await identities.create(identity))?.id ?? 0);
      }
      const [user = 0, group = 0, role = 0] = made;
      await identities.join(group, user);
      await identities.putInlinePolicy(user, "p", "{}");
      await identities.attach(role, arn);
      const key = { accessKeyId: "AKIA", account, identityId: user, sealedSecret: "s", createdAt: at };
      await accessKeys.create({ ...key, status: "Active" });
      await oidcProviders.create({ account, arn, url: "u", clientIds: ["c"], thumbprints: [], createdAt: at, tags });
      const organization = { id: "o-1", rootId: "r-1", managementAccount: account, createdAt: at, policyTypes: [] };
      await organizations.create(organization);
      await organizations.putUnit({ id: "ou-1", parentId: "r-1", name: "n" });
      const control = { type: "SERVICE_CONTROL_POLICY", name: "n", description: "", document: "{}" } as const;
      await organizations.putPolicy({ id: "p-1", ...control });
      await organizations.attach("p-1", "ou-1");
      await nouns.registryPolicies.put(registry, { policy: "{}", bindings: tags });
    }

    /** More rows than one page of each kind, and every kind of value. */
    async function fill(engine: Engine): Promise<void> {
      await createMetadata(engine).transact(async (nouns) => {
        const create = async (name: string) => {
          const created = {
            registry,
            name: name as RepositoryName,
            createdAt: at,
            encryption: { type: "AES256" } as const,
            policy: "{}",
            ...settings,
          };
          const made = await nouns.repositories.create(created, new Map([["owner", "core ☃"]]));
          if (!made) throw new Error("the name is taken");
          return made.id;
        };
        const gone = await create("gone");
        const id = await create("app");
        for (let number = 1; number <= 600; number++) {
          const blob = {
            digest: digestOf(number),
            generation: `g${number}` as Generation,
            sizeBytes: 2 ** 40 + number,
          };
          await nouns.layers.link({ id: id, encryption: { type: "AES256" } }, blob, at);
        }
        await nouns.blobs.quarantine({ digest: digestOf(1), generation: "g1" as Generation }, at);
        for (let number = 1; number <= 20; number++) {
          const image = await nouns.images.put({
            repositoryId: id,
            digest: digestOf(1000 + number),
            mediaType: "type",
            manifestBytes: 3,
            imageBytes: 2 ** 41,
            annotations: { snow: "☃" },
            manifest: Uint8Array.of(0, 255, number),
            layers: [{ digest: digestOf(number), mediaType: "layer" }],
            children: number === 20 ? [digestOf(1001)] : [],
            pushedAt: at,
          });
          await nouns.tags.set(id, `v${number}` as Tag, { id: image.id, digest: digestOf(1000 + number) }, at);
        }
        await nouns.tags.record({ repositoryId: id, tag: "v1" as Tag, to: digestOf(1001), at, by: "arn" });
        await nouns.settings.set(registry, "a", "b");
        await fillIdentity(nouns);
        // The newest id was given already, so it must not be given again.
        const job = { kind: "k", key: "☃", payload: "{}", runAt: at, maxAttempts: 3 };
        await nouns.jobs.enqueue(job, at);
        await nouns.schedules.put({ ...job, everyMs: 1, nextAt: at, setAt: at });
        const newest = await create("newest");
        for (const deleted of [gone, newest]) {
          await nouns.repositories.delete(deleted);
          while (!(await nouns.garbage.purge(deleted, 100, at)));
        }
      });
    }

    async function nextId(engine: Engine): Promise<number | undefined> {
      const created = {
        registry,
        name: "next" as RepositoryName,
        createdAt: at,
        encryption: { type: "AES256" } as const,
        ...settings,
      };
      return createMetadata(engine)
        .transact((nouns) => nouns.repositories.create(created, new Map()))
        .then((made) => made?.id);
    }

    test(
      "goes from either database into either, with every row and what the next ids are",
      async () => {
        const folder = await mkdtemp(join(tmpdir(), "berth-snapshot-"));
        const urls = async () => [
          await server.createDatabase(),
          `sqlite:${join(folder, `${crypto.randomUUID()}.sqlite`)}`,
        ];
        const open = (url: string) =>
          url.startsWith("sqlite:")
            ? openSqliteEngine({ path: url.slice(7) })
            : openPostgresEngine({ url, poolSize: 2 });
        for (const source of await urls()) {
          const engine = await open(source);
          await fill(engine);
          const expected = await rowsIn(engine);
          const path = join(folder, `${crypto.randomUUID()}.snapshot`);
          await takeSnapshot(source, path);
          // What comes later is not in it.
          const next = await nextId(engine);
          expect((await stat(path)).mode & 0o777).toBe(0o600);
          const blobs = openSnapshot(path);
          const named = [...blobs.list()];
          expect(blobs.totals.blobs).toBe(600);
          expect(named.map(({ digest }) => digest)).toEqual(
            Array.from({ length: 600 }, (_, index) => digestOf(index + 1)),
          );
          expect(named.map(({ isQuarantined }) => isQuarantined).indexOf(true)).toBe(0);
          expect(blobs.among([digestOf(5), digestOf(601)])).toEqual([
            { digest: digestOf(5), generation: "g5" as Generation },
          ]);
          blobs.close();
          expect((await readdir(folder)).filter((name) => /snapshot-/.test(name))).toEqual([]);

          for (const target of await urls()) {
            expect(await occupant(target)).toBeUndefined();
            await loadSnapshot(path, target);
            const loaded = await open(target);
            expect(await rowsIn(loaded)).toEqual(expected);
            expect(await nextId(loaded)).toBe(next);
            await loaded.close();
            await expect(loadSnapshot(path, target)).rejects.toThrow(DatabaseOccupied);
          }
          await engine.close();
        }
        await rm(folder, { recursive: true });
      },
      slowMs,
    );

    test(
      "of an empty database is an empty one",
      async () => {
        const folder = await mkdtemp(join(tmpdir(), "berth-snapshot-"));
        const [source, target] = [await server.createDatabase(), await server.createDatabase()];
        const path = join(folder, "empty");
        await (await openPostgresEngine({ url: source, poolSize: 1 })).close();
        await takeSnapshot(source, path);
        await loadSnapshot(path, target);
        const loaded = await openPostgresEngine({ url: target, poolSize: 1 });
        expect(await nextId(loaded)).toBe(1);
        await loaded.close();
        await rm(folder, { recursive: true });
      },
      slowMs,
    );

    test(
      "of PostgreSQL is of one moment, whatever is committed while it is taken",
      async () => {
        const folder = await mkdtemp(join(tmpdir(), "berth-snapshot-"));
        const url = await server.createDatabase();
        const engine = await openPostgresEngine({ url, poolSize: 2 });
        const metadata = createMetadata(engine);
        await fill(engine);
        const [repository] = await metadata.read.repositories.list(registry, { limit: 1 });
        let isDone = false;
        // Each transaction makes a blob, a link and an image: a snapshot has all of it or nothing.
        const pushing = (async () => {
          for (let number = 5000; !isDone; number++) {
            await metadata.transact(async ({ layers, images }) => {
              const blob = { digest: digestOf(number), generation: "g" as Generation, sizeBytes: 1 };
              await layers.link({ id: repository?.id ?? 0, encryption: { type: "AES256" } }, blob, at);
              await images.put({
                repositoryId: repository?.id ?? 0,
                digest: digestOf(100_000 + number),
                mediaType: "type",
                manifestBytes: 1,
                imageBytes: 1,
                manifest: Uint8Array.of(1),
                layers: [{ digest: blob.digest, mediaType: "layer" }],
                children: [],
                pushedAt: at,
              });
            });
          }
        })();
        for (let round = 0; round < 5; round++) {
          const path = join(folder, `${round}.snapshot`);
          await takeSnapshot(url, path);
          const database = new Database(path, { readonly: true });
          expect(database.query("pragma foreign_key_check").all()).toEqual([]);
          const [counts] = database
            .query("select (select count(*) from blob) as blobs, (select count(*) from image) as images")
            .all() as [{ blobs: number; images: number }];
          expect(counts.blobs - 600).toBe(counts.images - 20);
          database.close();
        }
        isDone = true;
        await pushing;
        await engine.close();
        await rm(folder, { recursive: true });
      },
      slowMs,
    );
  });

  describe("a PostgreSQL database", () => {
    const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };

    test("may be opened by many at once when it is empty", async () => {
      await withDatabase(async (url) => {
        const opened = await Promise.all(Array.from({ length: 6 }, () => openPostgres({ url, poolSize: 1 })));
        const [first] = opened;
        await first?.transact(({ settings }) => settings.set(registry, "a", "b"));
        for (const metadata of opened) {
          expect(await metadata.read.settings.get(registry, "a")).toBe("b");
          await metadata.close();
        }
      });
    });

    test("from a newer Berth is refused by name", async () => {
      await withDatabase(async (url, plain) => {
        await (await openPostgres({ url })).close();
        await plain.query("insert into kysely_migration (name, timestamp) values ('9999_future', '2099-01-01')");
        const opening = openPostgres({ url });
        await expect(opening).rejects.toThrow(DatabaseTooNew);
        await expect(opening).rejects.toMatchObject({ migrations: ["9999_future"] });
      });
    });

    test("that is not there is an error", async () => {
      await expect(openPostgres({ url: "postgres://berth@127.0.0.1:1/none" })).rejects.toThrow();
    });

    test("waits for the disk on durable commits only", async () => {
      await withDatabase(async (url) => {
        const engine = await openPostgresEngine({ url, poolSize: 1 });
        const settingOf = async (db: Kysely<Schema>) => {
          const transaction = await db.startTransaction().execute();
          const { rows } = await sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(transaction);
          await transaction.commit().execute();
          return rows[0]?.synchronous_commit;
        };
        expect(await settingOf(engine.durable)).toBe("on");
        expect(await settingOf(engine.relaxed)).toBe("off");
        expect(await settingOf(engine.durable)).toBe("on");
        await engine.close();
      });
    });

    test("that cuts idle connections is connected to again", async () => {
      await withDatabase(async (url, plain) => {
        const metadata = await openPostgres({ url, poolSize: 5 });
        await Promise.all(Array.from({ length: 5 }, () => metadata.ping()));
        await cutAll(plain);
        // Until the pool hears of the cut it hands out connections that are gone: each once, and it has five at most.
        const attempts: boolean[] = [];
        while (!attempts.at(-1) && attempts.length < 6) {
          const work = metadata.transact(({ settings }) => settings.set(registry, "a", "c"));
          attempts.push(
            await work.then(
              () => true,
              () => false,
            ),
          );
        }
        expect(attempts.at(-1)).toBe(true);
        expect(await metadata.read.settings.get(registry, "a")).toBe("c");
        await metadata.close();
      });
    });

    test("that cuts a connection in the middle of a transaction has kept nothing of it", async () => {
      await withDatabase(async (url, plain) => {
        const metadata = await openPostgres({ url, poolSize: 1 });
        const work = metadata.transact(async ({ settings }) => {
          await settings.set(registry, "a", "b");
          await cutAll(plain);
          await settings.set(registry, "a", "c");
        });
        await expect(work).rejects.toThrow();
        expect(await metadata.read.settings.get(registry, "a")).toBeUndefined();
        await metadata.transact(({ settings }) => settings.set(registry, "a", "d"));
        expect(await metadata.read.settings.get(registry, "a")).toBe("d");
        await metadata.close();
      });
    });
  });
}
