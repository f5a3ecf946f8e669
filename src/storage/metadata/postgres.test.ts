import { afterAll, describe, expect, test } from "bun:test";
import { metadataContract } from "./contract.ts";
import { openPostgres } from "./postgres.ts";
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
    const url = await server.createDatabase();
    const metadata = await openPostgres({ url });
    return {
      metadata,
      async dispose() {
        await metadata.close();
        await server.dropDatabase(url);
      },
    };
  });
}
