import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seed, seededTag } from "../bench/seed.ts";
import type { AccountId, Region, RepositoryName, Tag } from "../src/domain/names.ts";
import { openMetadata } from "../src/storage/metadata/index.ts";

// The bench writes rows past the code that knows them. This tells when a migration has left it behind.
test("rows that the bench seeds are read like rows of pushes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-seed-"));
  try {
    const path = join(folder, "berth.sqlite");
    await seed(path, [
      { name: "seeded/one", images: 3 },
      { name: "seeded/two", images: 40 },
    ]);
    const metadata = await openMetadata(`sqlite:${path}`);
    const { repositories, images, tags } = metadata.read;
    const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
    const repository = await repositories.find(registry, "seeded/two" as RepositoryName);
    const id = repository?.id ?? 0;
    expect(await images.list(id, "TAGGED", { limit: 100 })).toHaveLength(40);
    expect(await images.list(id, "UNTAGGED", { limit: 100 })).toEqual([]);
    const listed = await tags.list(id, { limit: 100 });
    expect(listed[0]).toBe(seededTag(0) as Tag);
    expect(listed).toHaveLength(40);
    const stored = await images.manifest(id, { tag: seededTag(39) as Tag });
    expect(JSON.parse(new TextDecoder().decode(stored?.manifest))).toHaveProperty("annotations");
    await metadata.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
