import type { UploadId } from "../../src/domain/names.ts";
import { blobAt } from "./content.ts";
import type { SlotFacts } from "./model.ts";
import { Loss, type Performed } from "./perform.ts";

/**
 * The life of uploads, as far as promises go: they may lose their last moments in a power cut, and an operation that
 * failed leaves them somewhere between before and after. What is certain must hold.
 */

/** Plain data, for it goes from one process to the next. */
export interface UploadFacts {
  readonly id?: UploadId;
  /** Acknowledged, and attempted. */
  readonly leastBytes: number;
  readonly mostBytes: number;
  readonly end: "none" | "possible" | "completed" | "cancelled";
  /** An operation on it had no answer, or an error for one. */
  readonly wasShaken: boolean;
  readonly lostPower: boolean;
  readonly touchedMs: number;
}

export type Uploads = Readonly<Record<number, UploadFacts>>;

export interface Judged {
  readonly uploads: Uploads;
  /** Operations that met an upload which has a session and not its bytes. */
  readonly stuck: readonly string[];
}

export interface UploadCircumstances {
  readonly slots: ReadonlyMap<number, SlotFacts>;
  readonly performed: readonly Performed[];
  readonly nowMs: number;
  readonly expireBefore: Date;
  /** A fault was injected, or the process was stopped. */
  readonly wereFaulty: boolean;
}

/** Whether it makes sense to go on with it. */
export function isOpen(upload: UploadFacts | undefined): boolean {
  return upload?.id !== undefined && (upload.end === "none" || upload.end === "possible");
}

export function afterPowerLoss(uploads: Uploads): Uploads {
  const each = Object.entries(uploads).map(([slot, facts]): [string, UploadFacts] => {
    const end = facts.end === "completed" ? "completed" : "possible";
    return [slot, { ...facts, leastBytes: 0, end, lostPower: true }];
  });
  return Object.fromEntries(each);
}

/** @throws Loss when an upload was not as it had to be */
export function judgeUploads(before: Uploads, around: UploadCircumstances): Judged {
  let uploads = { ...before };
  const stuck: string[] = [];
  for (const each of around.performed) {
    const { operation } = each;
    if (!("slot" in operation) || each.outcome.status === "skipped") continue;
    const { slot } = operation;
    if (operation.kind === "begin") {
      uploads = { ...uploads, [slot]: begun(each, around) };
      continue;
    }
    const facts = before[slot];
    if (!facts) continue;
    const isShared = usersOf(slot, around).length > 1;
    judge(each, facts, around, isShared);
    if (isStuck(each)) stuck.push(describe(each, facts));
    uploads = { ...uploads, [slot]: after(each, uploads[slot] ?? facts, around, isShared) };
  }
  for (const slot of Object.keys(uploads).map(Number)) {
    const facts = uploads[slot];
    if (facts?.end === "none" && mayBeEnded(slot, facts, around)) {
      uploads = { ...uploads, [slot]: { ...facts, end: "possible" } };
    }
  }
  return { uploads, stuck };
}

function begun({ upload, outcome }: Performed, { nowMs }: UploadCircumstances): UploadFacts {
  const end = outcome.status === "done" ? "none" : "possible";
  const wasShaken = outcome.status === "unknown";
  return { id: upload, leastBytes: 0, mostBytes: 0, end, wasShaken, lostPower: false, touchedMs: nowMs };
}

const usersOf = (slot: number, { performed }: UploadCircumstances) =>
  performed.filter(({ operation, outcome: { status } }) => {
    return "slot" in operation && operation.slot === slot && status !== "skipped";
  });

/** Whether something in the wave, other than its own operations, may have ended the upload. */
function mayBeEnded(slot: number, facts: UploadFacts, around: UploadCircumstances): boolean {
  return around.performed.some(({ operation, outcome: { status } }) => {
    if (status === "refused" || status === "skipped") return false;
    if (operation.kind === "expireUploads") return facts.touchedMs < around.expireBefore.getTime();
    return operation.kind === "deleteRepository" && operation.repository === around.slots.get(slot)?.repository;
  });
}

function judge(each: Performed, facts: UploadFacts, around: UploadCircumstances, isShared: boolean): void {
  const { operation, outcome, seenBytes } = each;
  if (!("slot" in operation)) return;
  const lose = (what: string) => {
    throw new Loss(`${what}: ${JSON.stringify({ operation, outcome, seenBytes, facts })}`);
  };
  const wasOver = facts.end === "completed" || facts.end === "cancelled";
  if (seenBytes !== undefined && wasOver) lose("an upload that was over is there again");
  if (seenBytes !== undefined && !isShared && (seenBytes < facts.leastBytes || seenBytes > facts.mostBytes)) {
    lose("an upload has another size than was acknowledged");
  }
  if (each.error !== undefined && !around.wereFaulty) {
    const isExcused = isStuck(each) && (facts.wasShaken || facts.lostPower || isShared);
    if (!isExcused) lose("an upload cannot go on");
  }
  if (outcome.status !== "refused") return;
  switch (outcome.code) {
    case "UploadNotFound":
      if (facts.end === "none" && !isShared && !mayBeEnded(operation.slot, facts, around)) lose("an upload is gone");
      return;
    case "LayerDigestMismatch":
      if (operation.kind === "complete" && operation.how === "lie") return;
      if (!facts.lostPower && !isShared) lose("an upload has other bytes than were sent");
      return;
    case "UploadOutOfOrder":
    case "UploadBusy":
      if (!isShared && !around.wereFaulty) lose("an upload is held by nobody");
      return;
    case "UploadInterrupted":
      if (operation.kind !== "append" || operation.how !== "break") lose("an upload was not interrupted");
      return;
    case "RepositoryNotFound":
      if (facts.end === "none" && !mayBeEnded(operation.slot, facts, around)) lose("the upload's repository is gone");
      return;
    default:
      lose("nothing to refuse");
  }
}

/** The session says that there are bytes, and the store says that there are not. */
function isStuck({ error }: Performed): boolean {
  return error instanceof RangeError;
}

function describe({ operation, error }: Performed, { lostPower }: UploadFacts): string {
  const detail = error?.message.startsWith("the upload is gone") ? "the staged file is gone" : "fewer bytes are staged";
  return `${operation.kind} after ${lostPower ? "a power cut" : "a crash or a fault"}: ${detail}`;
}

function after(each: Performed, facts: UploadFacts, around: UploadCircumstances, isShared: boolean): UploadFacts {
  const { operation, outcome, reachedBytes } = each;
  const slot = "slot" in operation ? around.slots.get(operation.slot) : undefined;
  const sizeBytes = slot ? blobAt(slot.blob).bytes.length : 0;
  if (outcome.status === "refused") return afterRefusal(each, facts, sizeBytes);
  if (outcome.status === "unknown") {
    const end = operation.kind === "append" || facts.end !== "none" ? facts.end : "possible";
    const isOver = facts.end === "completed" || facts.end === "cancelled";
    const mostBytes = operation.kind === "append" ? sizeBytes : facts.mostBytes;
    return { ...facts, mostBytes, end: isStuck(each) && !isOver ? "possible" : end, wasShaken: true };
  }
  if (operation.kind === "complete") return { ...facts, end: "completed" };
  if (operation.kind === "cancel") return { ...facts, end: facts.end === "completed" ? "completed" : "cancelled" };
  const reached = reachedBytes ?? 0;
  if (isShared) return { ...facts, mostBytes: sizeBytes, touchedMs: around.nowMs };
  return { ...facts, leastBytes: reached, mostBytes: reached, touchedMs: around.nowMs };
}

function afterRefusal({ outcome }: Performed, facts: UploadFacts, sizeBytes: number): UploadFacts {
  const isOver = facts.end === "completed" || facts.end === "cancelled";
  if (outcome.status !== "refused" || isOver) return facts;
  if (outcome.code === "UploadInterrupted") return { ...facts, mostBytes: sizeBytes };
  // It was dropped, though that may be lost in a power cut.
  if (outcome.code === "LayerDigestMismatch") return { ...facts, end: "possible" };
  return facts;
}
