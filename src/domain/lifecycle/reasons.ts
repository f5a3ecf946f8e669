import { dayMs } from "./rulebook.ts";
import type { AgeMeasure, LifecycleReason } from "./types.ts";

const measured: Record<AgeMeasure, string> = {
  pushed: "was pushed",
  pulled: "was last pulled",
  restored: "was restored from the archive",
  tagged: "was last tagged",
  archived: "was archived",
};

/** A sentence for people, about the image that the reason is of, as things were at `now`. */
export function explainReason(reason: LifecycleReason, now: number): string {
  switch (reason.code) {
    case "count":
      return `Rule ${reason.priority} keeps the newest ${reason.keeps} of the images that it selects, and this is number ${reason.position}.`;
    case "within-count":
      return `It is number ${reason.position} of the newest ${reason.keeps} that rule ${reason.priority} keeps${sparing(reason)}.`;
    case "age": {
      const { priority, measure, days, since } = reason;
      return `It ${measured[measure]} ${daysBetween(since, now)} ago, more than the ${inDays(days)} of rule ${priority}.`;
    }
    case "young": {
      const { priority, measure, days, since } = reason;
      if (measure === undefined || since === undefined) {
        return `Nobody knows since when it is in the archive, so that rule ${priority} cannot tell its age.`;
      }
      return `It ${measured[measure]} ${daysBetween(since, now)} ago, not more than the ${inDays(days)} of rule ${priority}${sparing(reason)}.`;
    }
    case "subject":
      return reason.priority === undefined
        ? `It goes where ${reason.subject} is, to which it refers.`
        : `It goes with ${reason.subject}, to which it refers and on which rule ${reason.priority} acts.`;
    case "held": {
      const end = reason.until === undefined ? "" : ` until ${new Date(reason.until).toISOString()}`;
      return `It is held${end}: ${reason.reason}`;
    }
    case "retained":
      return `The retain rule "${reason.name}" keeps it.`;
    case "unselected":
      return "No rule selects it.";
    case "listed": {
      const rule =
        reason.priority === undefined ? "It would be archived with what it refers to" : actsOtherwise(reason);
      return `${rule}, but an index lists it: ${reason.parents.join(", ")}.`;
    }
    case "referrer":
      return `It refers to ${reason.subject}, with which it stays.`;
    case "activating":
      return "It is being restored from the archive.";
    case "archive-minimum":
      return "What it refers to is about to go, but nothing leaves the archive before 90 days.";
  }
}

/** The later rules that an image would have met if the first one did not claim it. */
function sparing({ priority, spared }: { readonly priority: number; readonly spared?: number }): string {
  return spared === undefined
    ? ""
    : `; rule ${spared} would act on it, but may not touch what rule ${priority} selects`;
}

function actsOtherwise({ priority }: { readonly priority?: number }): string {
  return `Rule ${priority} would act on it`;
}

function daysBetween(since: number, now: number): string {
  // One decimal, cut: an image of 13.99 days is not shown as one of 14, which it would have to be more than.
  return inDays(Math.floor(((now - since) / dayMs) * 10) / 10);
}

function inDays(days: number): string {
  return `${days} day${days === 1 ? "" : "s"}`;
}
