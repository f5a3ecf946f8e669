import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { noRetention } from "../../src/domain/lifecycle/ports.ts";
import type { RepositoryName } from "../../src/domain/names.ts";
import { evaluateRepository } from "../../src/domain/registry/lifecycle-evaluation.ts";
import type { LifecycleEvent } from "../../src/domain/registry/lifecycle-events.ts";
import { makePreview } from "../../src/domain/registry/lifecycle-previewing.ts";
import { createLifecyclePreviews, type PreviewPlace } from "../../src/domain/registry/lifecycle-previews.ts";
import type { RepositorySettings } from "../../src/domain/registry/ports.ts";
import { metadata as metadataOver } from "../../src/storage/metadata/metadata.ts";
import { openSqliteEngine } from "../../src/storage/metadata/sqlite.ts";
import { account, region } from "../support/berth.ts";
import { lifecycleEveryMs } from "../support/lifecycle.ts";

/** A hundred thousand images in one repository. */

setDefaultTimeout(120_000);

const images = 100_000;
const megabyte = 1024 * 1024;
const job = { id: 1, account, region, name: "app" as RepositoryName };
const attempt = {
  signal: new AbortController().signal,
  progress: undefined,
  checkpoint: async () => {},
  complete: async () => {},
};

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Every fourth without a tag, one pushed each second. */
async function seeded() {
  const folder = mkdtempSync(join(tmpdir(), "berth-scale-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const engine = await openSqliteEngine({ path: join(folder, "berth.sqlite") });
  cleanUps.push(() => engine.close());
  const metadata = metadataOver(engine);
  const settings: RepositorySettings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false };
  const repository = { registry: { account, region }, name: job.name, createdAt: new Date(0), ...settings };
  await metadata.transact(({ repositories }) =>
    repositories.create({ ...repository, encryption: { type: "AES256" } }, new Map()),
  );
  const statements = [
    sql`with recursive number (n) as (select 1 union all select n + 1 from number where n < ${images})
      insert into image (id, repository_id, digest, media_type, manifest_bytes, image_bytes, pushed_at, tag_count)
      select n, 1, 'sha256:' || printf('%064x', n), 'm', 1, 1, 1000000000000 + n * 1000, n % 4 > 0 from number`,
    sql`insert into tag (repository_id, tag, image_id, moved_at)
      select 1, 'v' || id, id, pushed_at from image where tag_count > 0`,
    sql`insert into image_manifest (image_id, bytes) select id, x'00' from image`,
  ];
  for (const statement of statements) await statement.execute(engine.relaxed);
  return metadata;
}

const policy = (...rules: object[]) => JSON.stringify({ rules }).padEnd(100);
const keep = (tagStatus: string, countNumber: number, more: object = {}, rulePriority = 1) => ({
  rulePriority,
  selection: { tagStatus, countType: "imageCountMoreThan", countNumber, ...more },
  action: { type: "expire" },
});

test("a preview of all of them, read page by page, takes little memory", async () => {
  const metadata = await seeded();
  const parts = { metadata, retention: noRetention, clock: () => new Date(), record: async () => {} };
  const text = policy(keep("tagged", 100, { tagPrefixList: ["v"] }), keep("untagged", 10, {}, 2));
  const preview = await metadata.transact(({ lifecyclePreviews }) =>
    lifecyclePreviews.start(1, { text, startedAt: new Date() }),
  );
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  await makePreview(parts, { ...job, preview }, attempt);
  expect((process.memoryUsage.rss() - before) / megabyte).toBeLessThan(300);

  const service = createLifecyclePreviews(parts);
  const stored = await metadata.read.lifecyclePreviews.find(1);
  if (!stored) throw new Error("there is no preview");
  expect(stored).toMatchObject({ status: "COMPLETE", expiring: images - 110, transitioning: 0 });
  const found = { ...stored, status: "COMPLETE" } as const;
  let results = 0;
  let last = 0;
  for (let after: PreviewPlace | undefined; ; ) {
    const page = await service.results(found, { after, limit: 1000 });
    for (const { entry } of page) {
      expect(entry.imagePushedAt).toBeGreaterThan(last);
      last = entry.imagePushedAt;
    }
    results += page.length;
    after = page.at(-1)?.place;
    if (!after) break;
  }
  expect(results).toBe(images - 110);
  const untagged = await service.results(found, { limit: images, tagStatus: "UNTAGGED" });
  expect(untagged).toHaveLength(images / 4 - 10);
});

test("an evaluation of all of them acts on those that it has to", async () => {
  const metadata = await seeded();
  const events: LifecycleEvent[] = [];
  const text = policy(keep("any", images - 1_005));
  await metadata.transact(({ lifecyclePolicies }) =>
    lifecyclePolicies.put(1, { id: "policy", text, setAt: new Date(), setBy: "arn" }),
  );
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  const parts = {
    metadata,
    retention: noRetention,
    clock: () => new Date(),
    record: async (event: LifecycleEvent) => void events.push(event),
    everyMs: lifecycleEveryMs,
  };
  expect(await evaluateRepository(parts, job, attempt)).toEqual({ outcome: "done", images, acted: 1_005, failed: 0 });
  expect((process.memoryUsage.rss() - before) / megabyte).toBeLessThan(300);
  expect(events.map(({ actions }) => actions.length)).toEqual([...Array.from({ length: 100 }, () => 10), 5]);
  expect(await metadata.read.images.count(1)).toBe(images - 1_005);
  expect((await metadata.read.images.list(1, "ANY", { limit: 1 })).map(({ id }) => id)).toEqual([1_006]);
});
