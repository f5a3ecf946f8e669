import { parseStrictJson } from "../json.ts";
import { misfits, noAlternative, type Shape, tooSmall } from "./shapes.ts";
import type { CountType, LifecyclePolicy, LifecycleRule, PolicyProblem, TagSelection } from "./types.ts";

/** What PutLifecyclePolicy and its sisters take (ECR API reference and user guide, "Lifecycle policy properties"). */
export const policyLimits = {
  leastCharacters: 100,
  mostCharacters: 30_720,
  rules: 50,
  wildcardsInPattern: 4,
  /** ECR names no such limit. It keeps what one image costs in bounds; a tag list is an "and", and nobody means so many. */
  listedTags: 100,
  /** Nothing leaves the archive earlier. */
  archiveDays: 90,
} as const;

/** The policy, ready for the planner, or why the text is none. */
export type CheckedPolicy = { readonly policy: LifecyclePolicy } | { readonly problem: PolicyProblem };

const tagList: Shape = { type: "array", items: { type: "string", least: 1 }, most: policyLimits.listedTags };

/** Each count type, and what must be said beside it. */
const countTypes: Record<CountType, { readonly unit: boolean; readonly archive: boolean }> = {
  imageCountMoreThan: { unit: false, archive: false },
  sinceImagePushed: { unit: true, archive: false },
  sinceImagePulled: { unit: true, archive: false },
  sinceImageTransitioned: { unit: true, archive: true },
};
const countAlternatives = { count: Object.keys(countTypes).length, end: "\n" };

const selectionShape: Shape = {
  type: "object",
  members: {
    tagStatus: { type: "string", values: ["tagged", "untagged", "any"] },
    tagPatternList: tagList,
    tagPrefixList: tagList,
    storageClass: { type: "string", values: ["standard", "archive"] },
    countType: { type: "string" },
    countUnit: { type: "string", values: ["days"] },
    countNumber: { type: "integer", minimum: 1 },
  },
  required: ["tagStatus", "countType", "countNumber"],
  alternatives: {
    ...countAlternatives,
    fits({ countType, countUnit, storageClass }) {
      if (typeof countType !== "string" || !Object.hasOwn(countTypes, countType)) return false;
      const { unit, archive } = countTypes[countType as CountType];
      // What it is called is looked at later, and has a message of its own.
      if ((countUnit !== undefined) !== unit || (unit && typeof countUnit !== "string")) return false;
      return archive ? storageClass !== undefined && storageClass !== "standard" : storageClass !== "archive";
    },
  },
};

const actionShape: Shape = {
  type: "object",
  members: {
    type: { type: "string", values: ["expire", "transition"] },
    targetStorageClass: { type: "string", values: ["archive"] },
  },
  required: ["type"],
  alternatives: {
    count: 2,
    end: "",
    fits({ type, targetStorageClass }) {
      if (type === "expire") return targetStorageClass === undefined;
      return type !== "transition" || typeof targetStorageClass === "string";
    },
  },
};

const policyShape: Shape = {
  type: "object",
  members: {
    rules: {
      type: "array",
      least: 1,
      most: policyLimits.rules,
      items: {
        type: "object",
        members: {
          rulePriority: { type: "integer", minimum: 1 },
          description: { type: "string" },
          selection: selectionShape,
          action: actionShape,
        },
        required: ["rulePriority", "selection", "action"],
      },
    },
  },
  required: ["rules"],
};

/** A document of that shape. */
interface PolicyDocument {
  readonly rules: readonly {
    readonly rulePriority: number;
    readonly description?: string;
    readonly selection: Omit<LifecycleRule["selection"], "storageClass"> & {
      readonly storageClass?: "standard" | "archive";
    };
    readonly action: { readonly type: "expire" | "transition" };
  }[];
}

/**
 * Reads a lifecycle policy as ECR does, and refuses what ECR refuses, in its words where they are known. Deep enough for
 * a policy, and not deeper.
 */
export function checkLifecyclePolicy(text: string): CheckedPolicy {
  const { leastCharacters, mostCharacters } = policyLimits;
  if (text.length < leastCharacters) return badLength(`greater than or equal to ${leastCharacters}`);
  if (text.length > mostCharacters) return badLength(`less than or equal to ${mostCharacters}`);
  const read = parseStrictJson(text, { maxDepth: 16 });
  if (!("value" in read) || !isObject(read.value)) return invalid("Could not map policyString into LifecyclePolicy.");
  // Whatever else `rules` may be, to ECR it is as if it were not there.
  if (!Array.isArray(read.value.rules)) return invalid(`object has missing required properties (["rules"])`);
  const wrong = misfits(read.value, policyShape);
  if (wrong.length > 0) return invalid(wrong.slice(0, 10).join("\n"));
  const document = read.value as unknown as PolicyDocument;
  const rules = document.rules.map(ruleOf).sort((one, other) => one.priority - other.priority);
  const problem = rules.map(problemOfRule).find((some) => some !== undefined) ?? problemAmong(rules);
  return problem === undefined ? { policy: { text, rules } } : invalid(problem);
}

function ruleOf({ rulePriority, description, selection, action }: PolicyDocument["rules"][number]): LifecycleRule {
  const { tagStatus, tagPatternList, tagPrefixList, storageClass = "standard", countType, countNumber } = selection;
  return {
    priority: rulePriority,
    description,
    selection: { tagStatus, tagPatternList, tagPrefixList, storageClass, countType, countNumber },
    action: action.type,
  };
}

function problemOfRule({ selection, action }: LifecycleRule): string | undefined {
  const { countType, countNumber } = selection;
  const { archiveDays } = policyLimits;
  // Images that nobody pulls may only be archived, and what is in the archive may only be deleted.
  if (countType === "sinceImagePulled" && action !== "transition") return noAlternative(countAlternatives);
  if (countType === "sinceImageTransitioned" && action !== "expire") return noAlternative(countAlternatives);
  if (countType === "sinceImageTransitioned" && countNumber < archiveDays) return tooSmall(archiveDays, countNumber);
  return problemOfTags(selection);
}

/** What is wrong with the lists of a selection, whether of a rule or of a retain rule. An empty list is as none. */
export function problemOfTags({ tagStatus, tagPatternList, tagPrefixList }: TagSelection): string | undefined {
  const [patterns, prefixes] = [tagPatternList?.length ?? 0, tagPrefixList?.length ?? 0];
  if (tagStatus === "tagged" && patterns + prefixes === 0) {
    return "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.";
  }
  if (tagStatus !== "tagged" && patterns + prefixes > 0) {
    return `Cannot specify tagPrefixList or tagPatternList when tagStatus=${tagStatus.toUpperCase()}.`;
  }
  if (patterns > 0 && prefixes > 0) return "Cannot specify both tagPrefixList and tagPatternList in the same rule.";
  const { wildcardsInPattern: most } = policyLimits;
  const wild = tagPatternList?.find((pattern) => pattern.split("*").length - 1 > most);
  return wild === undefined ? undefined : `A tag pattern can have at most ${most} wildcards (*).`;
}

function problemAmong(rules: readonly LifecycleRule[]): string | undefined {
  const twice = rules.find(({ priority }, index) => rules[index + 1]?.priority === priority);
  if (twice) return `Rule priorities must be unique, but more than one rule has the priority ${twice.priority}.`;
  for (const storageClass of ["standard", "archive"] as const) {
    const ours = rules.map(({ selection }) => selection).filter((selection) => selection.storageClass === storageClass);
    if (ours.filter(({ tagStatus }) => tagStatus === "untagged").length > 1) {
      return "Only one rule can select Untagged images per storage class.";
    }
    // Two such rules fail here too: one of them is not the last.
    if (ours.slice(0, -1).some(({ tagStatus }) => tagStatus === "any")) {
      return "Rule for tagStatus=ANY must have the lowest priority per storage class";
    }
    const lists = ours.filter(({ tagStatus }) => tagStatus === "tagged").map(listOf);
    if (new Set(lists).size < lists.length) return "Only one rule can select the same set of tags per storage class.";
  }
  return undefined;
}

/** The same for lists that mean the same. */
function listOf({ tagPatternList = [], tagPrefixList = [] }: TagSelection): string {
  return JSON.stringify([[...new Set(tagPatternList)].sort(), [...new Set(tagPrefixList)].sort()]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function badLength(bound: string): CheckedPolicy {
  return { problem: { member: "lifecyclePolicyText", constraint: `Member must have length ${bound}` } };
}

function invalid(detail: string): CheckedPolicy {
  const constraint = `Lifecycle policy validation failure: ${detail}`;
  return { problem: { member: "LifecyclePolicyText", constraint } };
}
