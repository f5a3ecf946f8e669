import { parseArgs } from "node:util";

export const parts = [
  "start",
  "layers",
  "manifests",
  "blobs",
  "images",
  "pages",
  "memory",
  "gc",
  "policy",
  "policies",
  "lifecycle",
  "usage",
  "cache",
] as const;
export type Part = (typeof parts)[number];

export interface Options {
  readonly only: readonly Part[];
  readonly quick: boolean;
  readonly install: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly sizeMib: number;
  readonly layerGib: number;
  /** The largest repository that lists are measured in, and what the start is measured with. */
  readonly images: number;
  readonly quotas: boolean;
  readonly minutes: number;
  readonly multiple: number;
  readonly search: boolean;
  readonly partKib: number;
}

const help = `npm run bench [-- OPTIONS]

Starts Berth and each peer found on this machine, drives all by the same load, prints a table and writes
bench/results.json. Linux only: times and memory are the kernel's own figures.

  --only A,B        only these parts: ${parts.join(", ")}
  --quick           smaller and shorter, under 3 minutes; its ratios are rough
  --rounds N        rounds of each measurement; medians are reported (5)
  --seconds N       length of each round of small requests (3)
  --size-mib N      size of the layer that is pulled and pushed (1024)
  --layer-gib N     size of the layer that is moved while memory is watched (4; needs as much free disk)
  --images N        size of the largest repository that is listed, and of the store that is started (1000000)
  --install         first build the peers that Go can build, into ~/.cache/berth-bench

  --quotas          instead of all that: the default per-second quotas of Amazon ECR as one load
  --minutes N       how long (5); 0.5 is allowed
  --multiple N      the share of each quota, or a multiple of it (1)
  --search          find the highest multiple that is held for 15 seconds, in one of two tries, then hold it
                    for the minutes
  --part-kib N      size of an uploaded part (16)

The parts:
  start       start time and peak memory: every peer with an empty store, Berth also with a million images
  layers      processor seconds per GiB and MB/s of pulls and pushes of one large layer, by Berth sealed and plain;
              the limit: hashing and writing the same bytes once
  manifests   GET and HEAD of one manifest by 16 clients, GET also by 1 and by 128
  blobs       pushes of 1 KiB blobs by 32 clients
  images      pushes of small images (two blobs of 1 KiB and a manifest) into one repository by 32 clients
  pages       tags/list, ListImages and DescribeImages in repositories of 1k, 100k and 1M images
  memory      memory of Berth while a large layer is pushed, in one stream and in chunks, and pulled
  gc          blobs and bytes that \`berth gc\` frees a second
  policies    pulls of a manifest and of a small layer by the root user, and by a user and a role's session with policies
              of every kind
  policy      decisions of the policy engine a second, with one policy and with a large set, and policies compiled
  lifecycle   evaluations of a lifecycle policy over repositories of 1k, 10k and 100k images, and previews
              through the API over 1k and 100k
  usage       the walk that measures what storage is used for, over 1k, 100k and 1M images
  cache       cold pulls of one large layer through a pull-through cache, beside pulls from its upstream

Peers, by the variable that names the program, else by the name on PATH, else as built by --install:
  distribution      BENCH_DISTRIBUTION    docker-registry (Debian's package of that name)
  distribution-3    BENCH_DISTRIBUTION_3  registry
  zot               BENCH_ZOT             zot
  nginx             BENCH_NGINX           nginx
A peer that is not there is named and left out. Peers run without authentication, which favours them.`;

/** What the command line asks for; ends the process where that is help, or a mistake. */
export function readOptions(): Options {
  const number = { type: "string" } as const;
  const truth = { type: "boolean", default: false } as const;
  const { values } = parsed(() =>
    parseArgs({
      options: {
        only: { type: "string" },
        quick: truth,
        install: truth,
        rounds: number,
        seconds: number,
        "size-mib": number,
        "layer-gib": number,
        images: number,
        quotas: truth,
        minutes: number,
        multiple: number,
        search: truth,
        "part-kib": number,
        help: truth,
      },
    }),
  );
  if (values.help) {
    console.log(help);
    process.exit(0);
  }
  const { quick } = values;
  const whole = (name: keyof typeof values, preset: number, quickPreset = preset) => {
    return positive(name, values[name], quick ? quickPreset : preset, Number.isInteger);
  };
  return {
    only: parsed(() => partsOf(values.only)),
    quick,
    install: values.install,
    rounds: whole("rounds", 5, 2),
    seconds: positive("seconds", values.seconds, quick ? 0.6 : 3, Number.isFinite),
    sizeMib: whole("size-mib", 1024, 256),
    layerGib: whole("layer-gib", 4, 1),
    images: whole("images", 1_000_000, 100_000),
    quotas: values.quotas,
    minutes: positive("minutes", values.minutes, quick ? 0.5 : 5, Number.isFinite),
    multiple: positive("multiple", values.multiple, 1, Number.isFinite),
    search: values.search,
    partKib: whole("part-kib", 16),
  };
}

function partsOf(text: string | undefined): readonly Part[] {
  if (text === undefined) return parts;
  return text.split(",").map((name) => {
    const part = parts.find((known) => known === name.trim());
    if (!part) throw new Error(`there is no part '${name}'; there are ${parts.join(", ")}`);
    return part;
  });
}

function positive(name: string, given: unknown, preset: number, allowed: (value: number) => boolean): number {
  const value = given === undefined ? preset : Number(given);
  if (!allowed(value) || value <= 0) fail(`--${name} takes a positive number, not '${given}'`);
  return value;
}

function parsed<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    return fail((error as Error).message);
  }
}

function fail(message: string): never {
  console.error(`${message}. See npm run bench -- --help`);
  process.exit(2);
}
