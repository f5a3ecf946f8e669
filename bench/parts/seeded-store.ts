import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { needDisk } from "../disk.ts";
import { type SeededRepository, seed } from "../seed.ts";

/** A store with many images, made when it is first asked for and kept for the run. */
export interface SeededStore {
  readonly repositories: readonly SeededRepository[];
  /** The data directory for a Berth. */
  data(): Promise<string>;
}

const bytesPerImage = 2500;

export function createSeededStore(bench: Bench): SeededStore {
  const { images } = bench.options;
  const sizes = [1000, 100_000, images].filter((size, index, all) => size <= images && all.indexOf(size) === index);
  const repositories = sizes.map((size) => ({ name: `seeded/${size}`, images: size }));
  let made: Promise<string> | undefined;
  async function make(): Promise<string> {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    needDisk(bench.folder, total * bytesPerImage, "the images that lists are measured with");
    bench.progress(`seeding ${count(total)} images`);
    const data = join(bench.folder, "seeded");
    mkdirSync(data);
    await seed(join(data, "berth.sqlite"), repositories);
    return data;
  }
  return {
    repositories,
    data() {
      made ??= make();
      return made;
    },
  };
}

/** 1000 is 1k. */
export function count(images: number): string {
  if (images >= 1_000_000) return `${Number((images / 1_000_000).toPrecision(3))}M`;
  return images >= 1000 ? `${Number((images / 1000).toPrecision(3))}k` : String(images);
}
