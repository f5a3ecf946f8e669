import { describe, expect, test } from "bun:test";
import type { BlobStore, Nouns } from "../../src/domain/registry/ports.ts";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import { tapped } from "../../src/storage/blobs/test-disk.ts";
import type { Sabotage } from "./berth.ts";
import { newFigures } from "./figures.ts";
import { playLifecycle } from "./lifecycle.ts";
import type { Loss } from "./perform.ts";
import { play } from "./run.ts";
import { improvise } from "./script.ts";

/** A short piece of `npm run test:crash`: always the same runs. */

async function firstLoss(seed: string, runs: number, sabotage?: Sabotage): Promise<Loss | undefined> {
  for (let run = 1; run <= runs; run++) {
    const loss = await play(improvise(`${seed}/${run}`), newFigures(), sabotage);
    if (loss) return loss;
  }
  return undefined;
}

test("crashes, power cuts and failing disks lose nothing", async () => {
  expect((await firstLoss("test", 20))?.message).toBeUndefined();
}, 30_000);

/** The seed was chosen because the first run of each finds it; later, another may. */
const mostRuns = 100;

/** A Berth that is wrong in one way. */
const sabotages: Record<string, Sabotage> = {
  "the bytes of a blob are not synced": { disk: (disk) => withoutSync(disk, "/staging/") },
  "the folder of a blob is not synced": { disk: (disk) => withoutSync(disk, "/sha") },
  "the log of the database is not synced": { skipsLogSync: true },
  "a collection does not look again before it removes": {
    metadata: (metadata) => ({
      ...metadata,
      transact: (work, options) => metadata.transact((nouns) => work(withoutSecondLook(nouns)), options),
    }),
  },
  "a removal does not look which copy is meant": { blobs: withoutGenerations },
};

function withoutSync(disk: Disk, part: string): Disk {
  return tapped(disk, async (call, run) => {
    const isSync = call.verb === "sync" || call.verb === "datasync";
    return isSync && call.path.includes(part) ? (undefined as never) : run();
  });
}

const always = new Date(8.64e15);

function withoutSecondLook<All extends Nouns>(nouns: All): All {
  const { garbage } = nouns;
  return { ...nouns, garbage: { ...garbage, unlink: (link) => garbage.unlink(link, always) } };
}

function withoutGenerations(blobs: BlobStore): BlobStore {
  return {
    ...blobs,
    async remove({ digest }) {
      let freed = 0;
      for await (const copy of blobs.list()) if (copy.digest === digest) freed += await blobs.remove(copy);
      return freed;
    },
  };
}

describe("the harness sees it when", () => {
  for (const [what, sabotage] of Object.entries(sabotages)) {
    test(what, async () => {
      expect(await firstLoss("look 4", mostRuns, sabotage)).toBeDefined();
    }, 30_000);
  }
});

test("an evaluation of a lifecycle policy that ends anywhere is ended by the next one", async () => {
  const figures = newFigures();
  for (let run = 1; run <= 15; run++) {
    const loss = await playLifecycle(`lifecycle/${run}`, figures);
    if (loss) throw new Error(`run ${run}: ${loss.message}`);
  }
  expect(figures.crashes).toBeGreaterThan(15);
}, 30_000);
