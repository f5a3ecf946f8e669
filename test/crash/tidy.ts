import { collectGarbage, strayAfterMs, sweepStrays } from "../../src/domain/registry/collection.ts";
import { expireUploads } from "../../src/domain/registry/upload-expiry.ts";
import type { Engine } from "../../src/storage/metadata/metadata.ts";
import { deletedAccount } from "../../src/storage/metadata/repositories.ts";
import type { Berth } from "./berth.ts";
import type { Figures } from "./figures.ts";
import { copiesIn, filesIn, nameInStore, type Place, sessionsIn } from "./inspect.ts";
import { compare, type Ledger } from "./ledger.ts";
import type { SlotFacts } from "./model.ts";
import { graceMs, Loss } from "./perform.ts";

/**
 * A quiet time, and then the clean-up: what is left is what somebody who knows nothing but the manifests would leave.
 * @throws Loss
 */
export async function tidyUp(
  berth: Berth,
  ledger: Ledger,
  place: () => Place,
  around: { pass(milliseconds: number): void; slots: ReadonlyMap<number, SlotFacts>; figures: Figures },
): Promise<Ledger> {
  const { figures, slots } = around;
  around.pass(strayAfterMs + graceMs);
  await expireUploads(berth, place().soon);
  const first = await collectGarbage(berth, { graceMs });
  // What a deleted repository had waits once more, from the moment when it went.
  around.pass(strayAfterMs + graceMs);
  const second = await collectGarbage(berth, { graceMs });
  const swept = await sweepStrays(berth);
  figures.collected += first.blobs + second.blobs;
  figures.swept += swept.blobs;
  const collect = { operation: { kind: "collect" }, outcome: { status: "done" } } as const;
  const after = await compare(berth, ledger, [collect], { slots, nowMs: place().soon.getTime() });
  await checkNothingLeft(berth, place());
  return after;
}

async function checkNothingLeft({ engine }: Berth, { disk, root }: Place): Promise<void> {
  const { reader } = engine;
  const links = await reader.selectFrom("layer_link").select(["repository_id", "digest"]).execute();
  const named = await reader.selectFrom("blob").select("digest").execute();
  const deleted = await reader.selectFrom("repository").select("id").where("account", "=", deletedAccount).execute();
  const reachable = await reachableIn(engine);
  const sessions = await sessionsIn(engine);
  const files = (await filesIn(disk, root)).map((path) => (path.includes("/staging/") ? path : nameInStore(path)));
  const digests = (texts: Iterable<string>) => [...texts].sort();
  const same = (what: string, found: Iterable<string>, expected: Iterable<string>) => {
    const [is, should] = [digests(found).join("\n  "), digests(expected).join("\n  ")];
    if (is !== should) throw new Loss(`${what} after the clean-up:\n  ${is}\nand should be:\n  ${should}`);
  };
  const blobs = new Set([...reachable.values()].flatMap((each) => [...each]));
  same(
    "links",
    links.map((link) => `${link.repository_id} ${link.digest}`),
    [...reachable].flatMap(([id, each]) => [...each].map((digest) => `${id} ${digest}`)),
  );
  same(
    "blobs",
    named.map(({ digest }) => digest),
    blobs,
  );
  same("files", files, await copiesIn(engine, "blob"));
  same("removals to do", await copiesIn(engine, "blob_removal"), []);
  same("uploads", sessions, []);
  same(
    "deleted repositories",
    deleted.map(({ id }) => String(id)),
    [],
  );
}

/** What the manifests' bytes name, by repository: nothing that Berth has noted beside them is believed. */
async function reachableIn({ reader }: Engine): Promise<Map<number, Set<string>>> {
  const rows = await reader
    .selectFrom("image_manifest")
    .innerJoin("image", "image.id", "image_manifest.image_id")
    .select(["image.repository_id", "image_manifest.bytes"])
    .execute();
  const reachable = new Map<number, Set<string>>();
  for (const { repository_id, bytes } of rows) {
    const { config, layers = [] } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Named>;
    const found = [...(config ? [config] : []), ...layers].map(({ digest }) => digest);
    reachable.set(repository_id, new Set([...(reachable.get(repository_id) ?? []), ...found]));
  }
  return reachable;
}

interface Named {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}
