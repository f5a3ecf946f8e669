import { createHash } from "node:crypto";
import type { Digest } from "../names.ts";
import { checkLifecyclePolicy } from "./policy.ts";
import { dayMs } from "./rulebook.ts";
import type { Hold, LifecycleDecision, LifecycleImage, LifecyclePolicy, LifecycleReason } from "./types.ts";

/**
 * The short forms in which cases and tests say what is in a repository and what a policy asks, after the compatibility
 * reference: `A[prod-1,beta] 10 pulled=3` is an image with two tags that was pushed ten days ago, and
 * `1: PP prod*+beta*, c>5, archive` a rule.
 */

/** The moment of every evaluation in tests. */
export const now = Date.UTC(2026, 5, 15, 12);

export const daysAgo = (days: number) => now - days * dayMs;

/** An image is called by a name; its digest is made of that. */
export function digestFor(name: string): Digest {
  return `sha256:${createHash("sha256").update(name).digest("hex")}` as Digest;
}

/**
 * `NAME[tag,tag] AGE` and more: `pulled=N`, `tagged=N`, `archived=N` (which also says that it is in the archive),
 * `restored=N`, days ago each; `activating`; `archive` for the archive since nobody knows when; `of=NAME` for its subject;
 * `lists=a,b` for an index; `bytes=N`. In a tag, `{NAME}` is the hex of that image's digest.
 */
export function image(text: string, id = 0): LifecycleImage {
  const [, name, tags = "", rest = ""] = /^([^[ ]+)(?:\[([^\]]*)\])?\s*(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`no image: ${text}`);
  const words = rest.split(" ").filter((word) => word !== "");
  const said = new Map(words.map((word): [string, string] => [word.replace(/=.*/, ""), word.replace(/^[^=]*=?/, "")]));
  const known = ["pulled", "tagged", "archived", "restored", "activating", "archive", "of", "lists", "bytes"];
  for (const word of said.keys()) {
    if (!known.includes(word) && Number.isNaN(Number(word))) throw new Error(`what is ${word} in ${text}?`);
  }
  const age = words.find((word) => !Number.isNaN(Number(word)));
  const time = (word: string) => (said.has(word) ? daysAgo(Number(said.get(word))) : undefined);
  const archived = said.has("archived") || said.has("archive");
  const of = said.get("of");
  return {
    id,
    digest: digestFor(name),
    pushedAt: daysAgo(Number(age ?? 0)),
    lastPulledAt: time("pulled"),
    taggedAt: time("tagged"),
    status: said.has("activating") ? "ACTIVATING" : archived && !said.has("restored") ? "ARCHIVED" : "ACTIVE",
    archivedAt: time("archived"),
    activatedAt: time("restored"),
    tags: tags
      .split(",")
      .filter((tag) => tag !== "")
      .map((tag) => tag.replace(/\{(.+)\}/, (_, other: string) => digestFor(other).slice("sha256:".length))),
    subject: of === undefined ? undefined : digestFor(of),
    children: (said.get("lists") ?? "").split(",").filter(Boolean).map(digestFor),
    bytes: Number(said.get("bytes") ?? 100),
  };
}

export function imagesOf(texts: readonly string[]): { images: LifecycleImage[]; names: Map<Digest, string> } {
  const images = texts.map((text, index) => image(text, index + 1));
  const names = new Map(texts.map((text) => [image(text).digest, text.replace(/[[ ].*$/, "")] as const));
  return { images, names };
}

const countTypes: Record<string, string> = {
  c: "imageCountMoreThan",
  p: "sinceImagePushed",
  l: "sinceImagePulled",
  t: "sinceImageTransitioned",
};

/**
 * `PRIORITY: WHICH, HOW` and perhaps `, archive` for a transition. Which: `PP a*+b*` and `PX a+b` (patterns and prefixes),
 * `untagged`, `any`, `archived any` and so on for the archive. How: `c>N` images, `p>N` days since the push, `l>N` since
 * the last pull, `t>N` since the transition.
 */
export function ruleDocument(text: string): Record<string, unknown> {
  const found = /^(\d+): (archived )?(?:(PP|PX) (\S+)|(untagged|any)), ([cplt])>(\d+)(, archive)?$/.exec(text);
  if (!found) throw new Error(`no rule: ${text}`);
  const [, priority, archived, kind, list = "", status, letter = "", number, transition] = found;
  return {
    rulePriority: Number(priority),
    selection: {
      tagStatus: status ?? "tagged",
      ...(kind && { [kind === "PP" ? "tagPatternList" : "tagPrefixList"]: list.split("+") }),
      ...(archived && { storageClass: "archive" }),
      countType: countTypes[letter],
      ...(letter !== "c" && { countUnit: "days" }),
      countNumber: Number(number),
    },
    action: transition ? { type: "transition", targetStorageClass: "archive" } : { type: "expire" },
  };
}

export function policyOf(rules: readonly string[]): LifecyclePolicy {
  const text = JSON.stringify({ rules: rules.map(ruleDocument) }).padEnd(100);
  const checked = checkLifecyclePolicy(text);
  if ("problem" in checked) throw new Error(checked.problem.constraint);
  return checked.policy;
}

/** `{"tag": …}` or `{"image": …}`, a reason, and `until` in days from now, which may be over. */
export interface HoldText {
  readonly tag?: string;
  readonly image?: string;
  readonly reason: string;
  readonly until?: number;
}

export function holdOf({ tag, image: name, reason, until }: HoldText): Hold {
  const target = tag === undefined ? { digest: digestFor(name ?? "") } : { tag };
  return { target, reason, ...(until !== undefined && { until: now + until * dayMs }) };
}

/** `A expire 1`, `B archive 2`, `sig expire 1 with A`, and for what is kept nothing. */
export function actionText(decision: LifecycleDecision, names: ReadonlyMap<Digest, string>): string | undefined {
  const { digest, action, priority, follows } = decision;
  if (action === "keep") return undefined;
  const words = [names.get(digest), action === "transition" ? "archive" : action, priority];
  return [...words, ...(follows ? ["with", names.get(follows)] : [])].filter((word) => word !== undefined).join(" ");
}

/** A reason as a line: its code, then what it says. */
export function reasonText(reason: LifecycleReason, names: ReadonlyMap<Digest, string>): string {
  const named = (digest: Digest) => names.get(digest) ?? digest;
  const spared = "spared" in reason && reason.spared !== undefined ? ` sparing from ${reason.spared}` : "";
  switch (reason.code) {
    case "count":
    case "within-count":
      return `${reason.code} ${reason.priority}: ${reason.position} of ${reason.keeps}${spared}`;
    case "age":
    case "young": {
      const age = reason.since === undefined ? "" : ` ${reason.measure} ${(now - reason.since) / dayMs}`;
      return `${reason.code} ${reason.priority}:${age} of ${reason.days}${spared}`;
    }
    case "subject":
    case "referrer":
      return `${reason.code} ${named(reason.subject)}`;
    case "listed":
      return `listed ${reason.parents.map(named).sort().join("+")}, else ${reason.priority}`;
    case "held":
      return `held ${reason.reason}`;
    case "retained":
      return `retained ${reason.name}`;
    default:
      return reason.code;
  }
}
