import type { PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { PullThroughOptionsView } from "./contract.ts";

export function optionsView({ prefix, options }: PullThroughRule): PullThroughOptionsView {
  const { freshMs, allowTags, denyTags, allowRepositories, denyRepositories } = options;
  const list = (filters: readonly string[] | undefined) => filters && [...filters];
  return {
    ecrRepositoryPrefix: prefix,
    freshSeconds: freshMs === undefined ? undefined : freshMs / 1000,
    allowTags: list(allowTags),
    denyTags: list(denyTags),
    allowRepositories: list(allowRepositories),
    denyRepositories: list(denyRepositories),
  };
}
