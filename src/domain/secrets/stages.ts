import type { SecretVersion } from "./ports.ts";

/** Which values of a secret have which labels (Secrets Manager user guide, "Secret versions"). */

export const current = "AWSCURRENT";
export const previous = "AWSPREVIOUS";

/** How many are kept; those without a label go first, the oldest before the others. */
export const maxVersions = 100;
export const maxStages = 20;

/**
 * What the labels of all versions are once `version` has those in `stages`: a label is at one place. Whose is the value of
 * today leaves the one before behind it, as the previous one.
 * @param versions newest first
 */
export function moveStages(
  versions: readonly SecretVersion[],
  version: string,
  stages: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const before = versions.find((some) => some.stages.includes(current))?.id;
  const at = new Map<string, string[]>(versions.map(({ id, stages: had }) => [id, [...had]]));
  const move = (stage: string, to: string) => {
    for (const [id, had] of at) {
      at.set(
        id,
        had.filter((one) => one !== stage),
      );
    }
    at.set(to, [...(at.get(to) ?? []), stage]);
  };
  for (const stage of new Set(stages)) move(stage, version);
  if (stages.includes(current) && before !== undefined && before !== version) move(previous, before);
  return at;
}

/** Those that have to go for one more to be kept. @param versions newest first */
export function surplus(versions: readonly SecretVersion[]): readonly SecretVersion[] {
  const unlabelled = versions.filter(({ stages }) => stages.length === 0).reverse();
  return unlabelled.slice(0, Math.max(0, versions.length + 1 - maxVersions));
}
