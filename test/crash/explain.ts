import { imageAt } from "./content.ts";
import { apply, canonical, collected, type Operation, repositoryOf, type SlotFacts, type State } from "./model.ts";

/** What became of an operation, as its caller knows it. */
export type Outcome =
  | { readonly status: "done" }
  | { readonly status: "refused"; readonly code: string }
  /** The answer was an error or never came, so the operation may have happened or not. */
  | { readonly status: "unknown"; readonly why: string }
  | { readonly status: "skipped" };

export interface Ended {
  readonly operation: Operation;
  readonly outcome: Outcome;
}

/** Uploads' own life is judged apart, see uploads.ts; what a collection may take is in the state. */
const changeNoContent = new Set(["begin", "append", "cancel", "flushPullTimes", "expireUploads", "collect", "sweep"]);
/** They look more than once, and what they see may change in between. */
const looksTwice = new Set(["push", "complete", "mount", "pull", "ask"]);

/** Something that happened at once: the states that it may have led to. */
type Step = (state: State) => readonly State[];

/**
 * Whether the operations, which ran at once, could have led from one state to the other: in some order, each with the
 * answer that it gave, those of unknown outcome taking place or not. A collection is not one step but one for each link
 * that it may take, or leave.
 */
export function explains(
  before: State,
  ended: readonly Ended[],
  after: State,
  slots: ReadonlyMap<number, SlotFacts>,
): boolean {
  const target = canonical(after);
  const operations = ended.filter((each) => matters(each, ended, slots)).map((each) => stepOf(each, slots));
  const { start, steps: removals } = collections(before, after, ended, slots);
  const steps = [...operations, ...removals];
  const seen = new Set<string>();
  const search = (state: State, left: readonly Step[]): boolean => {
    if (left.length === 0) return canonical(state) === target;
    const place = `${left.map((step) => steps.indexOf(step))} ${canonical(state)} ${dueIn(state)}`;
    if (seen.has(place)) return false;
    seen.add(place);
    return left.some((next) => {
      const others = left.filter((other) => other !== next);
      return next(state).some((changed) => search(changed, others));
    });
  };
  return search(start, steps);
}

function stepOf({ operation, outcome }: Ended, slots: ReadonlyMap<number, SlotFacts>): Step {
  return (state) => {
    const { state: changed, answer } = apply(state, operation, slots);
    if (outcome.status === "refused") return answer === outcome.code ? [state] : [];
    const happened = answer === "ok" ? [changed] : [];
    return outcome.status === "unknown" ? [...happened, state] : happened;
  };
}

/**
 * What collections may have done, link by link. Where no operation is about the link nothing depends on the moment, so
 * those that are gone are taken out at the start, which leaves less to search.
 */
function collections(before: State, after: State, ended: readonly Ended[], slots: ReadonlyMap<number, SlotFacts>) {
  const steps: Step[] = [];
  let start = before;
  const took = ended.filter(({ outcome }) => outcome.status !== "skipped").map(({ operation }) => operation);
  if (!took.some(({ kind }) => kind === "collect")) return { start, steps };
  for (const [name, { due = [] }] of Object.entries(before)) {
    for (const link of due) {
      const isAskedFor = took.some((operation) => isAbout(operation, name, link, slots));
      if (isAskedFor) steps.push((state) => [state, collected(state, name, link) ?? state]);
      else if (!after[name]?.links.includes(link)) start = collected(start, name, link) ?? start;
    }
  }
  return { start, steps };
}

function isAbout(operation: Operation, name: string, link: number, slots: ReadonlyMap<number, SlotFacts>): boolean {
  if (operation.kind === "mount") return operation.blob === link;
  if (repositoryOf(operation, slots) !== name) return false;
  if (operation.kind === "put") return imageAt(operation.image).layers.includes(link);
  if ("slot" in operation) return slots.get(operation.slot)?.blob === link;
  return "blob" in operation && operation.blob === link;
}

const dueIn = (state: State) => JSON.stringify(Object.values(state).map(({ due }) => due));

function matters({ operation, outcome }: Ended, all: readonly Ended[], slots: ReadonlyMap<number, SlotFacts>): boolean {
  if (outcome.status === "skipped" || changeNoContent.has(operation.kind)) return false;
  if (outcome.status !== "refused") return true;
  if (operation.kind === "complete") return false;
  const repository = repositoryOf(operation, slots);
  const isAlone = all.every(({ operation: other, outcome: { status } }) => {
    return other === operation || status === "skipped" || !touches(other, repository, slots);
  });
  return isAlone || !looksTwice.has(operation.kind);
}

/** A mount looks everywhere. */
function touches(other: Operation, repository: string | undefined, slots: ReadonlyMap<number, SlotFacts>): boolean {
  if (other.kind === "deleteRepository" || other.kind === "collect") return true;
  return repositoryOf(other, slots) === repository;
}
