import type { Figure } from "./bench.ts";
import { pulls } from "./parts/policies.ts";
import { count } from "./parts/seeded-store.ts";

/** One ratio or bound that the design promises. */
export interface Target {
  readonly name: string;
  readonly value: number;
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly met: boolean;
}

interface Promised {
  readonly name: string;
  readonly value: number | undefined;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Berth that leaves encryption to the volume. */
const plain = "berth-plain";
const registries = ["distribution", "distribution-3", "zot"];

/** What can be said of these figures. A target whose figures were left out is left out too. */
export function targetsOf(figures: readonly Figure[], options: { images: number; layerGib: number }): Target[] {
  const value = (name: string, subject = "berth") => {
    return figures.find((figure) => figure.name === name && figure.subject === subject)?.value;
  };
  const ratio = (name: string, other: string, subject?: string) => {
    const [ours, theirs] = [value(name, subject), value(name, other)];
    return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
  };
  type Bound = Pick<Target, "atMost" | "atLeast">;
  const against = (what: string, name: string, bound: Bound, subject?: string): Promised[] =>
    registries.map((peer) => ({ name: `${what}, Berth / ${peer}`, value: ratio(name, peer, subject), ...bound }));
  const bestPeers = registries.flatMap((peer) => value("pull, CPU-s/GiB", peer) ?? []);
  const many = `berth with ${count(options.images)} images`;

  const promised: Promised[] = [
    { name: "plain pull CPU, Berth / nginx", value: ratio("pull, CPU-s/GiB", "nginx", plain), atMost: 1.3 },
    ...against("plain pull CPU", "pull, CPU-s/GiB", { atMost: 0.25 }, plain),
    {
      name: "sealed pull CPU, Berth / the best registry's plain one",
      value: known((value("pull, CPU-s/GiB") ?? NaN) / (bestPeers.length > 0 ? Math.min(...bestPeers) : NaN)),
      atMost: 1,
    },
    {
      name: "plain push rate, Berth / hash and write once",
      value: ratio("push, MB/s", "hash and write once", plain),
      atLeast: 0.9,
    },
    ...against("manifest GET rate", "manifest GET, per second", { atLeast: 5 }),
    ...against("small image push rate", "small image push, per second", { atLeast: 10 }),
    { name: `start with ${count(options.images)} images, ms`, value: value("start, ms", many), atMost: 300 },
    ...["one stream", "chunks"].map((how) => ({
      name: `peak memory, ${options.layerGib} GiB in ${how}, MiB`,
      value: value(`peak memory, MiB, ${options.layerGib} GiB`, `berth, ${how}`),
      atMost: 150,
    })),
    ...Object.values(pulls).flatMap((pull) =>
      ["user", "role"].map((who) => {
        const cost = (of: string) => value(`${pull}, CPU-µs`, `berth, ${of}`) ?? NaN;
        return { name: `${pull}, CPU, ${who} / root`, value: known(cost(who) / cost("root")), atMost: 1.1 };
      }),
    ),
    {
      name: `lifecycle preview of ${count(100_000)} images, ms`,
      value: value("lifecycle preview, ms", `berth, ${count(100_000)} images`),
      atMost: 1000,
    },
    {
      name: `lifecycle evaluation of ${count(100_000)} images, ms`,
      value: value("lifecycle evaluation, ms", `berth, ${count(100_000)} images`),
      atMost: 1000,
    },
    ...pageRatios(figures, options.images),
  ];
  return promised.flatMap(({ name, value: measured, atMost, atLeast }) => {
    if (measured === undefined) return [];
    const met = (atMost === undefined || measured <= atMost) && (atLeast === undefined || measured >= atLeast);
    return [{ name, value: measured, atMost, atLeast, met }];
  });
}

function known(ratio: number): number | undefined {
  return Number.isNaN(ratio) ? undefined : ratio;
}

function pageRatios(figures: readonly Figure[], images: number): Promised[] {
  const small = `berth with ${count(1000)} images`;
  const pages = figures.filter(({ name, subject }) => name.includes(" page, ms") && subject === small);
  return [100_000, images]
    .flatMap((size) =>
      pages.map(({ name, value: base }) => {
        const large = figures.find(
          (other) => other.name === name && other.subject === `berth with ${count(size)} images`,
        );
        const what = name.replace(", ms", "");
        return { name: `${what}: ${count(size)} / 1k images`, value: large && large.value / base, atMost: 1.2 };
      }),
    )
    .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);
}
