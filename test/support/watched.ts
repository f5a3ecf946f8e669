import type { InProcess } from "./berth.ts";

/** Readers that ask for something all the while it is pushed. */

interface Watch {
  readonly berths: readonly InProcess[];
  readonly repositories: readonly string[];
  readonly kind?: "blobs" | "manifests";
  /** Or a tag. */
  readonly digest: string;
  /** What alone may be seen, and that in the first repository only. */
  readonly right: string;
  /** When it may be seen. Left out: never. */
  readonly since?: "the start" | "the last look";
}

/**
 * Runs `work`, and answers what it comes to and everything that the readers should not have seen. `work` gets a function
 * that waits until each reader has looked once more.
 */
export async function watched<Result>(watch: Watch, work: (look: () => Promise<void>) => Promise<Result>) {
  const { berths, repositories, kind = "blobs", digest, right, since } = watch;
  const seen: string[] = [];
  /** Sightings of what is right, since the last look. */
  let recent: string[] = [];
  const rounds = berths.map(() => 0);
  let isOver = false;

  async function reader(berth: InProcess, at: number): Promise<void> {
    while (!isOver) {
      for (const repository of repositories) {
        const path = `/v2/${repository}/${kind}/${digest}`;
        const [head, get] = [await berth.oci("HEAD", path), await berth.oci("GET", path)];
        const text = await get.text();
        // What the push has published by then is right to be seen.
        if (isOver) return;
        const isHome = repository === repositories[0];
        for (const [method, { status }] of Object.entries({ HEAD: head, GET: get })) {
          const sighting = `${method} ${path}: ${status}`;
          if (isHome && since === "the last look" && status === 200) recent.push(sighting);
          else if (status !== (isHome && since === "the start" ? 200 : 404)) seen.push(sighting);
        }
        if (get.status === 200 && text !== right) seen.push(`GET ${path}: ${text}`);
      }
      rounds[at] = (rounds[at] ?? 0) + 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function look(): Promise<void> {
    const before = [...rounds];
    // The round that had begun already, and a whole one.
    while (rounds.some((round, at) => round < (before[at] ?? 0) + 2)) await Bun.sleep(1);
    seen.push(...recent);
    recent = [];
  }

  const reading = berths.map(reader);
  try {
    const result = await work(look);
    return { result, seen };
  } finally {
    isOver = true;
    await Promise.all(reading);
  }
}

/**
 * A body that comes in pieces.
 * @param between what happens after each piece before the last
 * @param fails how it ends, where it does not end well
 */
export function streamOf(pieces: readonly string[], between: () => Promise<void>, fails?: Error) {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at > 0) await between();
      const piece = pieces[at++];
      if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece));
      else if (fails) controller.error(fails);
      else controller.close();
    },
  });
}
