import type { Berth } from "./berth.ts";
import { imageAt } from "./content.ts";
import { explains } from "./explain.ts";
import { stateIn } from "./inspect.ts";
import { canonical, type Operation, type RepositoryState, type SlotFacts, type State } from "./model.ts";
import { graceMs, Loss, type Performed } from "./perform.ts";
import { afterPowerLoss, judgeUploads, type UploadCircumstances, type Uploads } from "./uploads.ts";

/** When a link was last of use, by repository and blob. Before that plus the time of grace, nobody may collect it. */
type Needed = Readonly<Record<string, number>>;

/** What clients know, from what they were answered. Plain data, for it goes from one process to the next. */
export interface Ledger {
  readonly state: State;
  readonly uploads: Uploads;
  readonly needed: Needed;
  /** As far as only a question says so: the answer is no promise for the time after a power cut. */
  readonly asked: Needed;
}

export const emptyLedger: Ledger = { state: {}, uploads: {}, needed: {}, asked: {} };

/** Of a wave: when it took place, and whether a fault was injected or the process was stopped. */
export type Circumstances = Omit<UploadCircumstances, "performed">;

type Moment = Pick<Circumstances, "slots" | "nowMs">;

/** What follows for the uploads, and operations that found one without its bytes. @throws Loss */
export function judge(ledger: Ledger, performed: readonly Performed[], around: Circumstances) {
  const odd = performed.find(({ operation, error }) => error !== undefined && !("slot" in operation));
  if (odd && !around.wereFaulty) throw new Loss(`an error for no reason: ${JSON.stringify(odd)} ${odd.error?.stack}`);
  const { uploads, stuck } = judgeUploads(ledger.uploads, { ...around, performed });
  return { ledger: { ...ledger, uploads }, stuck };
}

/** What is there now is what follows from the operations. @throws Loss when nothing explains it */
export async function compare(
  { engine }: Berth,
  ledger: Ledger,
  performed: readonly Performed[],
  { slots, nowMs }: Moment,
): Promise<Ledger> {
  const before = withDue(ledger, nowMs);
  const after = await stateIn(engine);
  if (!explains(before, performed, after, slots)) {
    const told = performed.map(({ operation, outcome }) => `${JSON.stringify(operation)} ${JSON.stringify(outcome)}`);
    const due = Object.entries(before).map(([name, repository]) => `due in ${name}: ${repository.due}`);
    const states = [canonical(before), ...due, canonical(after)];
    throw new Loss(["no order of the operations leads to what is there", ...told, ...states].join("\n  "));
  }
  return { ...ledger, state: after, ...nextNeeds(ledger, after, performed, { slots, nowMs }) };
}

/**
 * What is committed can be seen by others before it is durable, and so before anybody is told that it happened. In a
 * power cut it may be lost; then nothing explains what the others saw.
 */
export function withoutSight(performed: Performed): Performed {
  const { operation, outcome } = performed;
  const looks = operation.kind === "pull" || operation.kind === "ask";
  const isSight = outcome.status === "refused" || (looks && outcome.status === "done");
  return isSight ? { ...performed, outcome: { status: "skipped" } } : performed;
}

export function afterPowerCut(ledger: Ledger): Ledger {
  return { ...ledger, uploads: afterPowerLoss(ledger.uploads), asked: {} };
}

const keyOf = (name: string, blob: number) => `${name} ${blob}`;

const needsOf = (repository: RepositoryState | undefined) =>
  new Set(repository?.images.flatMap((image) => imageAt(image).layers));

function withDue({ state, needed, asked }: Ledger, nowMs: number): State {
  const due = (name: string, repository: RepositoryState) => {
    const needs = needsOf(repository);
    return repository.links.filter((link) => {
      const key = keyOf(name, link);
      return !needs.has(link) && Math.max(needed[key] ?? 0, asked[key] ?? 0) < nowMs - graceMs;
    });
  };
  return Object.fromEntries(
    Object.entries(state).map(([name, repository]) => [name, { ...repository, due: due(name, repository) }]),
  );
}

/** A question puts a collection off only when the last one lies that far back. */
const putOffAfterMs = 60_000;

/** As far as it is certain: what was in an image before or afterwards, what is new, and what was acknowledged. */
function nextNeeds(
  { state: before, needed, asked }: Ledger,
  after: State,
  performed: readonly Performed[],
  { slots, nowMs }: Moment,
): Pick<Ledger, "needed" | "asked"> {
  const done = performed.filter(({ outcome }) => outcome.status === "done").map(({ operation }) => operation);
  const used = new Set(done.flatMap((operation) => usedBy(operation, slots)));
  const questions = new Set(done.flatMap((each) => (each.kind === "ask" ? keyOf(each.repository, each.blob) : [])));
  const next = { needed: {} as Record<string, number>, asked: {} as Record<string, number> };
  for (const [name, repository] of Object.entries(after)) {
    const inImages = needsOf(before[name]).union(needsOf(repository));
    for (const link of repository.links) {
      const key = keyOf(name, link);
      const isNew = !before[name]?.links.includes(link);
      next.needed[key] = isNew || inImages.has(link) || used.has(key) ? nowMs : (needed[key] ?? 0);
      next.asked[key] = questions.has(key) ? nowMs - putOffAfterMs : (asked[key] ?? 0);
    }
  }
  return next;
}

/** Links that the operation has made anew, or found there. */
function usedBy(operation: Operation, slots: ReadonlyMap<number, SlotFacts>): string[] {
  switch (operation.kind) {
    case "push":
    case "mount":
      return [keyOf(operation.repository, operation.blob)];
    case "complete": {
      const slot = slots.get(operation.slot);
      return slot ? [keyOf(slot.repository, slot.blob)] : [];
    }
    default:
      return [];
  }
}
