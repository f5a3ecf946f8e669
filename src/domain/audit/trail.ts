import { randomUUID } from "node:crypto";
import type { Registry } from "../names.ts";
import { createFloodGate } from "./floods.ts";
import type { Happening, Who } from "./happening.ts";
import { chained, packed } from "./packs.ts";
import type { AuditMetadata, Written } from "./ports.ts";
import { recordsOf } from "./record.ts";

/**
 * Takes down what happens. A request only leaves a small object here; records are made, hashed and written in batches,
 * beside the requests. All processes of a deployment write into one chain.
 */
export interface AuditTrail {
  /**
   * Resolves when the happening is in the queue, which is at once as long as there is room. What is noted in the last
   * moments before a crash is lost.
   * @throws AuditUnavailable when records cannot be written and there is no room for more
   */
  note(happening: Happening): Promise<void> | undefined;
  /**
   * Resolves when the record survives a power cut. For changes that nobody may be told of before they are on record.
   * @throws AuditUnavailable when it cannot be written
   */
  write(happening: Happening): Promise<void>;
  /** Writes what was noted so far. */
  flush(): Promise<void>;
  /** The same at the end. Gives up what cannot be written after some tries, and says so in the log. */
  close(): Promise<void>;
}

/** What happened cannot be put on record, so it must not be answered. */
export class AuditUnavailable extends Error {
  override readonly name = "AuditUnavailable";
  constructor(options?: ErrorOptions) {
    super("The audit trail cannot be written", options);
  }
}

export interface TrailParts {
  readonly metadata: AuditMetadata;
  readonly log: { error(facts: Record<string, unknown>, message: string): void };
  /** Happenings that wait at the most. */
  readonly queueLimit?: number;
  /** Whether pulls and other successful reads of the data plane are taken down. */
  readonly pulls?: boolean;
  readonly clock: () => Date;
  /** Where what strangers were refused is told when there was too much of it. */
  readonly home: Registry;
  /** How long a request waits for its record, or for room. */
  readonly patienceMs?: number;
}

/** Longer, and a reader of the trail would wonder; shorter, and batches would be small. */
const lingerMs = 100;
/** A batch holds up the event loop of a database in this process, and the pulls that come meanwhile. */
const batchSize = 64;
const firstBackOffMs = 100;
const longestBackOffMs = 5_000;
/** How often closing tries again to write what is left. */
const lastTries = 5;

interface Waiting {
  readonly happening: Happening;
  /** Where somebody waits for the record. */
  readonly written?: PromiseWithResolvers<void>;
}

/** Without an account here: there can be any number of them, and nobody to hold to account. */
function isStranger(who: Who): boolean {
  if (!("principal" in who)) return true;
  return who.principal.kind === "anonymous" || who.principal.kind === "web-identity";
}

export function createTrail(parts: TrailParts): AuditTrail {
  const { metadata, log, clock, home, pulls = true, queueLimit = 10_000, patienceMs = 30_000 } = parts;
  const queue: Waiting[] = [];
  /** Those who wait for room, in their order. */
  const outside: PromiseWithResolvers<void>[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> | undefined;
  /** Those in the queue whose record somebody waits for. */
  let awaited = 0;
  let failures = 0;
  let isClosing = false;

  const floods = createFloodGate(({ source, count }) => {
    const arrival = { requestId: randomUUID(), sourceIp: source ?? "several", secureTransport: false };
    enqueue({
      happening: {
        at: clock().getTime(),
        arrival,
        who: { claimed: undefined },
        ...home,
        service: "ecr",
        operation: "RefusedRequestsNotRecorded",
        readOnly: true,
        serviceEvent: { count },
      },
    });
  });

  function isLeftOut({ who, arrival, route, readOnly, failure }: Happening): boolean {
    if (isStranger(who) && (failure !== undefined || !("principal" in who))) return !floods.admits(arrival.sourceIp);
    return !pulls && route !== undefined && readOnly && failure === undefined;
  }

  function enqueue(waiting: Waiting): void {
    queue.push(waiting);
    if (waiting.written) awaited++;
    if (isUrgent()) begin();
    else timer ??= setTimeout(begin, lingerMs);
  }

  function isUrgent(): boolean {
    return awaited > 0 || outside.length > 0 || queue.length >= batchSize;
  }

  function begin(): void {
    clearTimeout(timer);
    timer = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      // What came meanwhile and is not urgent gathers company first.
      if (queue.length > 0 && !isClosing) timer ??= setTimeout(begin, lingerMs);
    });
  }

  /** Writes what is there, and what comes meanwhile if somebody waits for it or there is much of it. */
  async function drain(): Promise<void> {
    // Everybody who comes in this turn of the event loop shares the first batch.
    await undefined;
    let due = queue.length;
    while (due > 0 || isUrgent()) {
      const batch = queue.slice(0, batchSize);
      try {
        await commit(batch);
        failures = 0;
      } catch (error) {
        failures++;
        log.error(
          { error, waiting: queue.length },
          "audit records could not be written; they are kept and tried again",
        );
        if (isClosing) return;
        const backOffMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** (failures - 1));
        await new Promise((resolve) => setTimeout(resolve, backOffMs));
        continue;
      }
      queue.splice(0, batch.length);
      due -= batch.length;
      for (const { written } of batch) {
        if (!written) continue;
        awaited--;
        written.resolve();
      }
      for (const place of outside.splice(0, Math.max(0, queueLimit - queue.length))) place.resolve();
    }
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    // Before anything is locked.
    const packs = packed(batch.flatMap(({ happening }) => records(happening)));
    const durable = batch.some((waiting) => waiting.written !== undefined);
    await metadata.transact(
      async ({ audit }) => {
        const { newest } = await audit.lockEnds();
        await audit.append(chained(newest, packs));
      },
      { durable },
    );
  }

  /** One that cannot be made must not keep back the others: who did what is told in any case. */
  function records(happening: Happening): Written[] {
    try {
      return recordsOf(happening);
    } catch (error) {
      log.error({ error, operation: happening.operation }, "an audit record is written without its details");
      return recordsOf({ ...happening, input: undefined, output: undefined });
    }
  }

  /** A request does not wait for ever, and is not answered without its record. */
  async function patiently(promise: Promise<void>, givenUp: () => void): Promise<void> {
    let impatience: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      impatience = setTimeout(() => {
        givenUp();
        reject(new AuditUnavailable());
      }, patienceMs);
    });
    try {
      await Promise.race([promise, tooLong]);
    } finally {
      clearTimeout(impatience);
    }
  }

  async function room(): Promise<void> {
    while (queue.length >= queueLimit) {
      begin();
      const place = Promise.withResolvers<void>();
      outside.push(place);
      await patiently(place.promise, () => {
        const index = outside.indexOf(place);
        if (index >= 0) outside.splice(index, 1);
      });
    }
  }

  return {
    note(happening) {
      if (isLeftOut(happening)) return undefined;
      if (queue.length < queueLimit) {
        enqueue({ happening });
        return undefined;
      }
      return room().then(() => enqueue({ happening }));
    },
    async write(happening) {
      if (queue.length >= queueLimit) await room();
      const written = Promise.withResolvers<void>();
      enqueue({ happening, written });
      await patiently(written.promise, () => {});
    },
    async flush() {
      while (queue.length > 0) {
        begin();
        await writing;
      }
    },
    async close() {
      floods.close();
      isClosing = true;
      for (let tries = 0; queue.length > 0 && tries < lastTries; tries++) {
        begin();
        await writing;
      }
      clearTimeout(timer);
      if (queue.length > 0) log.error({ lost: queue.length }, "audit records are lost: they could not be written");
    },
  };
}
