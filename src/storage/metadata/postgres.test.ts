import { afterAll, describe, expect, test } from "bun:test";
import { type Kysely, sql } from "kysely";
import pg from "pg";
import type { AccountId, Region, Registry } from "../../domain/names.ts";
import { metadataContract } from "./contract.ts";
import { DatabaseTooNew } from "./migrations.ts";
import { openPostgres, openPostgresEngine } from "./postgres.ts";
import type { Schema } from "./schema.ts";
import { startPostgres, type TestPostgres } from "./test-postgres.ts";

const started = await startPostgres();

if ("missing" in started) {
  const title = `PostgreSQL: ${started.missing}`;
  if (process.env.CI) {
    test(title, () => {
      throw new Error(title);
    });
  } else {
    console.warn(`skipped: ${title}`);
    test.skip(title, () => {});
  }
} else {
  postgresTests(started);
}

function postgresTests(server: TestPostgres): void {
  afterAll(() => server.stop());
  metadataContract("PostgreSQL", async () => {
    const metadata = await openPostgres({ url: await server.createDatabase() });
    return { metadata, dispose: () => metadata.close() };
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
