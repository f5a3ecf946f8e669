import { apply, canonical, type Operation, repositoryOf, type SlotFacts, type State } from "./model.ts";

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

/** Uploads' own life is judged apart, see uploads.ts. */
const sessionsOnly = new Set(["begin", "append", "cancel", "flushPullTimes", "expireUploads"]);
/** They look more than once, and what they see may change in between. */
const looksTwice = new Set(["push", "complete", "mount", "pull"]);

/**
 * Whether the operations, which ran at once, could have led from one state to the other: in some order, each with the
 * answer that it gave, those of unknown outcome taking place or not.
 */
export function explains(
  before: State,
  ended: readonly Ended[],
  after: State,
  slots: ReadonlyMap<number, SlotFacts>,
): boolean {
  const target = canonical(after);
  const relevant = ended.filter((each) => matters(each, ended, slots));
  const search = (state: State, left: readonly Ended[]): boolean => {
    if (left.length === 0) return canonical(state) === target;
    return left.some((next) => {
      const others = left.filter((other) => other !== next);
      const { state: changed, answer } = apply(state, next.operation, slots);
      const { outcome } = next;
      if (outcome.status === "refused") return answer === outcome.code && search(state, others);
      if (answer === "ok" && search(changed, others)) return true;
      return outcome.status === "unknown" && search(state, others);
    });
  };
  return search(before, relevant);
}

function matters({ operation, outcome }: Ended, all: readonly Ended[], slots: ReadonlyMap<number, SlotFacts>): boolean {
  if (outcome.status === "skipped" || sessionsOnly.has(operation.kind)) return false;
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
  return other.kind === "deleteRepository" || repositoryOf(other, slots) === repository;
}
