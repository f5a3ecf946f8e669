import { hash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Registry } from "../names.ts";
import { type AuditEvent, type AuditPack, type Link, packSpanMs, type Written } from "./ports.ts";

/**
 * Records as they are kept: the text of some dozens, compressed. They are much alike, so that one takes a tenth of its
 * length, and a batch is a few rows. Each record still hangs on the one before by a hash of its own.
 */

const hashLength = 32;
const maxRecords = 64;
/** In characters. A longer record, of which there are few, has a pack for itself. */
const maxText = 256 * 1024;
/** No pack is opened that comes to more bytes. Records are cut when they are made, far below. */
const maxOpened = 8 * 1024 * 1024;
/** What is saved by more effort is not worth the time of pulls. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** A pack that has no place in the chain yet. */
export interface LoosePack extends Registry, Pick<AuditPack, "firstAt" | "lastAt" | "packed"> {
  readonly written: readonly Written[];
}

/** By owner, and for each in the order of `written`. */
export function packed(written: readonly Written[]): LoosePack[] {
  const open = new Map<string, Gathering>();
  const packs: LoosePack[] = [];
  for (const one of written) {
    const owner = `${one.account}/${one.region}`;
    const at = one.at.getTime();
    let pack = open.get(owner);
    if (!pack || !hasRoom(pack, at, one.record)) {
      if (pack) packs.push(closed(pack));
      pack = { account: one.account, region: one.region, written: [], lines: [], length: 0, firstAt: at, lastAt: at };
      open.set(owner, pack);
    }
    pack.written.push(one);
    pack.lines.push(`${at} ${one.record}`);
    pack.length += one.record.length;
    pack.firstAt = Math.min(pack.firstAt, at);
    pack.lastAt = Math.max(pack.lastAt, at);
  }
  for (const pack of open.values()) packs.push(closed(pack));
  return packs;
}

interface Gathering extends Registry {
  readonly written: Written[];
  readonly lines: string[];
  length: number;
  firstAt: number;
  lastAt: number;
}

function hasRoom({ lines, length, firstAt, lastAt }: Gathering, at: number, record: string): boolean {
  const span = Math.max(lastAt, at) - Math.min(firstAt, at);
  return lines.length < maxRecords && length + record.length <= maxText && span <= packSpanMs;
}

/** JSON has no line breaks of its own. */
function closed({ account, region, written, lines, firstAt, lastAt }: Gathering): LoosePack {
  const bytes = zstdCompressSync(lines.join("\n"), compression);
  return { account, region, written, firstAt: new Date(firstAt), lastAt: new Date(lastAt), packed: bytes };
}

/** `packs`, in their order, as those that come behind `newest`. */
export function chained(newest: Link, packs: readonly LoosePack[]): AuditPack[] {
  let { sequence, hash: last } = newest;
  return packs.map(({ written, account, region, firstAt, lastAt, packed: bytes }) => {
    const firstSequence = sequence + 1;
    const hashes = new Uint8Array(written.length * hashLength);
    for (const [index, one] of written.entries()) {
      sequence++;
      if (index === written.length - 1) last = vouchedFor(last, bytes);
      last = hashOf(last, sequence, one);
      hashes.set(last, index * hashLength);
    }
    return { account, region, firstSequence, lastSequence: sequence, firstAt, lastAt, hashes, packed: bytes };
  });
}

/** The link of a pack's last record. */
export function lastLink({ lastSequence, hashes }: Pick<AuditPack, "lastSequence" | "hashes">): Link {
  return { sequence: lastSequence, hash: hashes.subarray(-hashLength) };
}

/** Everything that a record is found by goes in. None of the first five lines can have a line break. */
function hashOf(before: Uint8Array, sequence: number, { account, region, at, record }: Written): Uint8Array {
  return hash("sha256", `${before.toHex()}\n${sequence}\n${at.getTime()}\n${account}\n${region}\n${record}`, "buffer");
}

/** The last record of a pack also vouches for its bytes: others could come to the same text. */
function vouchedFor(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  return hash("sha256", Buffer.concat([before, bytes]), "buffer");
}

/**
 * The records of a pack, in the order of the chain.
 * @throws PackDamaged
 */
export function opened(pack: AuditPack): AuditEvent[] {
  const { account, region, firstSequence, lastSequence, hashes } = pack;
  const lines = linesOf(pack);
  if (lines.length !== lastSequence - firstSequence + 1 || hashes.length !== lines.length * hashLength) {
    throw new PackDamaged(pack);
  }
  return lines.map((line, index) => {
    const space = line.indexOf(" ");
    return {
      account,
      region,
      at: new Date(Number(line.slice(0, space))),
      record: line.slice(space + 1),
      sequence: firstSequence + index,
      hash: hashes.subarray(index * hashLength, (index + 1) * hashLength),
    };
  });
}

function linesOf(pack: AuditPack): string[] {
  try {
    return zstdDecompressSync(pack.packed, { maxOutputLength: maxOpened }).toString("utf8").split("\n");
  } catch (cause) {
    throw new PackDamaged(pack, { cause });
  }
}

/** Somebody, or a disk, has changed what was written. */
export class PackDamaged extends Error {
  override readonly name = "PackDamaged";
  readonly sequence: number;
  constructor({ firstSequence, lastSequence }: AuditPack, options?: ErrorOptions) {
    super(`the audit records ${firstSequence} to ${lastSequence} cannot be read: see berth audit verify`, options);
    this.sequence = firstSequence;
  }
}

/** The first record of a pack behind `before` that is not as it was written. */
export function faultIn(pack: AuditPack, before: Link): Fault | undefined {
  const { firstSequence, lastSequence, firstAt, lastAt } = pack;
  let events: AuditEvent[];
  try {
    events = opened(pack);
  } catch (error) {
    if (!(error instanceof PackDamaged)) throw error;
    return { sequence: firstSequence, problem: "the record cannot be read, or one of those that it is kept with" };
  }
  let last = before.hash;
  let [earliest, latest] = [Infinity, -Infinity];
  for (const event of events) {
    if (event.sequence === lastSequence) last = vouchedFor(last, pack.packed);
    if (!equal(hashOf(last, event.sequence, event), event.hash)) {
      const problem = "the record is not what was written, or another was in its place before";
      return { sequence: event.sequence, problem };
    }
    last = event.hash;
    earliest = Math.min(earliest, event.at.getTime());
    latest = Math.max(latest, event.at.getTime());
  }
  if (earliest !== firstAt.getTime() || latest !== lastAt.getTime()) {
    return {
      sequence: firstSequence,
      problem: "the record is not found by its time, or one of those that it is kept with",
    };
  }
  return undefined;
}

export interface Fault {
  readonly sequence: number;
  readonly problem: string;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.toHex() === b.toHex();
}
