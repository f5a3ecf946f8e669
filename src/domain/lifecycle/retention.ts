import { parseStrictJson } from "../json.ts";
import { policyLimits, problemOfTags } from "./policy.ts";
import { maxRetainRules } from "./rulebook.ts";
import { misfits, type Shape } from "./shapes.ts";
import type { LifecycleOptions, PolicyProblem, RetainKeep, RetainRule, TagSelection } from "./types.ts";

/** What a repository may say about lifecycles beyond ECR, as text. */
export type Retention = Required<Pick<LifecycleOptions, "retain" | "ageFrom" | "signatureTags">> & {
  /** As it was sent. */
  readonly text: string;
};

export type CheckedRetention = { readonly retention: Retention } | { readonly problem: PolicyProblem };

const measures = ["newest", "pushedWithinDays", "pulledWithinDays", "taggedWithinDays"] as const;
const mostCharacters = policyLimits.mostCharacters;
const tagList: Shape = { type: "array", items: { type: "string", least: 1 }, most: policyLimits.listedTags };

const retentionShape: Shape = {
  type: "object",
  members: {
    ageFrom: { type: "string", values: ["push", "lastTagged"] },
    signatureTags: { type: "string", values: ["follow", "ordinary"] },
    retain: {
      type: "array",
      most: maxRetainRules,
      items: {
        type: "object",
        members: {
          name: { type: "string", least: 1, most: 128 },
          selection: {
            type: "object",
            members: {
              tagStatus: { type: "string", values: ["tagged", "untagged", "any"] },
              tagPatternList: tagList,
              tagPrefixList: tagList,
              storageClass: { type: "string", values: ["standard", "archive", "any"] },
            },
            required: ["tagStatus"],
          },
          keep: {
            type: "object",
            members: Object.fromEntries(measures.map((name) => [name, { type: "integer", minimum: 1 }])),
            required: [],
            alternatives: { count: measures.length, end: "", fits: (keep) => Object.keys(keep).length === 1 },
          },
        },
        required: ["name", "selection"],
      },
    },
  },
  required: [],
};

interface RetentionDocument extends Partial<Pick<Retention, "ageFrom" | "signatureTags">> {
  readonly retain?: readonly {
    readonly name: string;
    readonly selection: TagSelection & { readonly storageClass?: "standard" | "archive" | "any" };
    readonly keep?: Partial<Record<(typeof measures)[number], number>>;
  }[];
}

/** Reads what a repository says about lifecycles beyond ECR; `member` is what the text is called where it came from. */
export function checkRetention(text: string, member: string): CheckedRetention {
  const invalid = (constraint: string): CheckedRetention => ({ problem: { member, constraint } });
  if (text.length > mostCharacters) return invalid(`Member must have length less than or equal to ${mostCharacters}`);
  const read = parseStrictJson(text, { maxDepth: 16 });
  if ("problem" in read) return invalid(`The text cannot be read: ${read.problem}`);
  const wrong = misfits(read.value, retentionShape);
  if (wrong.length > 0) return invalid(wrong.slice(0, 10).join("\n"));
  const { ageFrom = "push", signatureTags = "follow", retain = [] } = read.value as RetentionDocument;
  const rules = retain.map(({ name, selection, keep }): RetainRule => {
    return { name, selection: { storageClass: "any", ...selection }, keep: keepOf(keep) };
  });
  for (const { name, selection } of rules) {
    const problem = problemOfTags(selection);
    if (problem !== undefined) return invalid(`${name}: ${problem}`);
  }
  const names = new Set(rules.map(({ name }) => name));
  if (names.size < rules.length) return invalid("Each retain rule must have a name of its own");
  return { retention: { text, retain: rules, ageFrom, signatureTags } };
}

function keepOf(keep: NonNullable<RetentionDocument["retain"]>[number]["keep"] = {}): RetainKeep {
  for (const kind of measures) {
    const number = keep[kind];
    if (number !== undefined) return kind === "newest" ? { kind, count: number } : { kind, days: number };
  }
  return { kind: "all" };
}
