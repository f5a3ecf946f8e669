import { dayMs } from "./rulebook.ts";
import type { LifecycleImage, LifecyclePolicy, LifecycleRule } from "./types.ts";

/**
 * The evaluation a second time, as the compatibility reference words it and with no thought of cost: sets, filters,
 * regular expressions, and loops until nothing changes. Answers what is done with whom by which rule.
 */
export function evaluate(
  { rules }: LifecyclePolicy,
  images: readonly LifecycleImage[],
  now: number,
): Map<string, { action: "expire" | "transition"; priority?: number; follows?: string }> {
  const byDigest = new Map(images.map((image) => [image.digest as string, image]));
  const subject = new Map<string, string>();
  for (const image of images) {
    const of = image.subject ?? byTags(image);
    if (of !== undefined && byDigest.has(of)) subject.set(image.digest, of);
  }
  for (const circle of circles(subject)) for (const digest of circle) subject.delete(digest);
  const parents = (digest: string) => images.filter(({ children }) => (children as readonly string[]).includes(digest));
  const rootOf = (digest: string): string => {
    const of = subject.get(digest);
    return of === undefined ? digest : rootOf(of);
  };

  // 1: S(r). 2: M(r).
  const alone = images.filter(({ digest, status }) => !subject.has(digest) && status !== "ACTIVATING");
  const selected = rules.map((rule) => alone.filter((image) => selects(rule, image)));
  const marked = rules.map((rule, index) => marks(rule, selected[index] ?? [], now));
  // 3: in order of priority.
  const found: ReturnType<typeof evaluate> = new Map();
  rules.forEach(({ action, priority, selection }, index) => {
    for (const image of marked[index] ?? []) {
      const claimed = rules.some((other, at) => {
        const earlier = at < index && other.selection.storageClass === selection.storageClass;
        return earlier && selected[at]?.includes(image);
      });
      if (!claimed) found.set(image.digest, { action, priority });
    }
  });
  // 5: what an index lists.
  for (const [digest, { action }] of [...found]) {
    const bars = parents(digest).some(({ status }) => action === "expire" || status !== "ARCHIVED");
    if (bars) found.delete(digest);
  }

  // What follows goes along, as long as nothing bars it; whatever is barred bars others.
  const barred = new Set<string>();
  for (;;) {
    const before = barred.size;
    for (const digest of subject.keys()) found.delete(digest);
    const follow = (image: LifecycleImage): void => {
      const of = subject.get(image.digest);
      const subjectImage = of === undefined ? undefined : byDigest.get(of);
      if (of === undefined || !subjectImage) return;
      if (subject.has(of) && !found.has(of)) follow(subjectImage);
      const leader = found.get(of);
      const action = leader?.action ?? (subjectImage.status === "ARCHIVED" ? "transition" : undefined);
      if (!action || barred.has(image.digest) || image.status === "ACTIVATING") return;
      if (image.status === "ARCHIVED") {
        const { archivedAt } = image;
        if (action === "transition" || archivedAt === undefined || now - archivedAt <= 90 * dayMs) return;
      }
      found.set(image.digest, { action, priority: leader?.priority, follows: of });
    };
    for (const image of images) follow(image);
    for (const digest of subject.keys()) {
      const what = found.get(digest);
      if (!what) continue;
      for (const parent of parents(digest)) {
        const along = rootOf(parent.digest) === rootOf(digest) ? found.get(parent.digest)?.action : undefined;
        if (along === "expire" || (along === "transition" && what.action === "transition")) continue;
        if (what.action === "transition" && parent.status === "ARCHIVED") continue;
        barred.add(digest);
      }
    }
    if (barred.size === before) return found;
  }
}

function byTags({ digest, tags }: LifecycleImage): string | undefined {
  const [first] = tags;
  const hex = first === undefined ? undefined : first.replace(/^sha256-/, "").replace(/\.(sig|att|sbom)$/, "");
  const allowed = ["", ".sig", ".att", ".sbom"].map((end) => `sha256-${hex}${end}`);
  if (hex?.length !== 64 || !tags.every((tag) => allowed.includes(tag))) return undefined;
  return `sha256:${hex}` === digest ? undefined : `sha256:${hex}`;
}

function circles(subject: ReadonlyMap<string, string>): string[][] {
  const found: string[][] = [];
  for (const start of subject.keys()) {
    const path = [start];
    for (let at = subject.get(start); at !== undefined && !path.includes(at); at = subject.get(at)) path.push(at);
    if (subject.get(path.at(-1) as string) === start) found.push(path);
  }
  return found;
}

function selects({ selection }: LifecycleRule, { status, tags }: LifecycleImage): boolean {
  if ((selection.storageClass === "archive" ? "ARCHIVED" : "ACTIVE") !== status) return false;
  if (selection.tagStatus !== "tagged") return selection.tagStatus === "any" || tags.length === 0;
  const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const patterns = (selection.tagPatternList ?? []).map((text) => `^${text.split("*").map(escaped).join(".*")}$`);
  const prefixes = (selection.tagPrefixList ?? []).map((text) => `^${escaped(text)}`);
  return [...patterns, ...prefixes].every((source) => tags.some((tag) => new RegExp(source).test(tag)));
}

function marks({ selection }: LifecycleRule, selected: readonly LifecycleImage[], now: number): LifecycleImage[] {
  const pushed = (image: LifecycleImage) => image.activatedAt ?? image.pushedAt;
  if (selection.countType === "imageCountMoreThan") {
    return [...selected]
      .sort((one, other) => pushed(other) - pushed(one) || (one.digest < other.digest ? 1 : -1))
      .slice(selection.countNumber);
  }
  return selected.filter((image) => {
    const { lastPulledAt = Number.NEGATIVE_INFINITY, activatedAt = Number.NEGATIVE_INFINITY } = image;
    const since: Record<string, number> = {
      sinceImagePushed: pushed(image),
      sinceImagePulled: lastPulledAt >= activatedAt && image.lastPulledAt !== undefined ? lastPulledAt : pushed(image),
      sinceImageTransitioned: image.archivedAt ?? Number.POSITIVE_INFINITY,
    };
    return now - (since[selection.countType] ?? Number.NaN) > selection.countNumber * dayMs;
  });
}
