import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { type Answer, type DenialAnswer, isSelf, needToExplain } from "../../domain/explanations.ts";
import { type Arn, parseAccountId } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import type { StatementReference } from "./contract.ts";
import { operation } from "./operation.ts";

const maxKeys = 50;
const PrincipalArn = pattern("arn:aws:(?:iam|sts)::[0-9]{12}:(?:root|[a-z-]+/[!-~]{1,1000})");
const Action = pattern("[a-z0-9-]{1,64}:[A-Za-z0-9]{1,128}");
const ResourceArn = pattern("\\*|arn:[^:\\s]{1,32}:[^:\\s]{1,64}:[^:\\s]{0,64}:[^:\\s]{0,64}:[!-~]{1,1600}");
const ContextValues = z.array(z.string().max(2048)).max(50);
const Context = z
  .record(z.string().min(1).max(256), ContextValues)
  .refine((context) => Object.keys(context).length <= maxKeys, `Member must have at most ${maxKeys} keys`);

export const ExplainDecision = operation("ExplainDecision", {
  input: {
    requestId: z.string().min(1).max(128).optional(),
    principalArn: PrincipalArn.optional(),
    action: Action.optional(),
    resourceArn: ResourceArn.optional(),
    context: Context.optional(),
  },
  // Permission is asked of the account that the principal belongs to.
  account: ({ principalArn }) => parseAccountId(principalArn?.split(":")[4] ?? ""),
  needs({ principalArn, requestId }, _registry, { principal }) {
    // Whoever may not know of a denial is told that there is none: that is decided when it is known whose it is.
    const isOpen = requestId !== undefined || principalArn === undefined || isSelf(principal, principalArn);
    return isOpen ? [] : [needToExplain(principalArn)];
  },
  throws: ["AccessDenied", "NoSuchEntity", "Validation"],
  async run({ requestId, principalArn, action, resourceArn = "*", context }, granted, { explanations }) {
    if ((requestId === undefined) === (action === undefined)) {
      throw refuse("Validation", { reason: "Give either requestId, or action with what belongs to it" });
    }
    if (requestId !== undefined) {
      const { deniedAt, allowedNow, ...answer } = await explanations.ofDenial(granted, requestId);
      return { ...viewOf(answer), requestId, deniedAt, allowedNow };
    }
    const facts = Object.entries(context ?? {}).map(([key, values]) => [key.toLowerCase(), oneOrMany(values)]);
    const asked = { principalArn, action: action as `${string}:${string}`, resource: resourceArn as Arn | "*" };
    return viewOf(await explanations.ofDecision(granted, { ...asked, context: Object.fromEntries(facts) }));
  },
});

/** A key with one value is not a key with a list of one: only the latter has several. */
function oneOrMany(values: string[]): string | string[] {
  return values.length === 1 ? (values[0] as string) : values;
}

function viewOf(answer: Answer | Omit<DenialAnswer, "deniedAt" | "allowedNow">) {
  const { allowed, because, statement, layers, missingKeys, withheld, principalArn, action, resource } = answer;
  return {
    allowed,
    because,
    ...(statement ? { statement: referenceTo(statement) } : {}),
    layers: layers.map(({ kind, verdict, statements }) => ({
      policyKind: kind,
      verdict,
      statements: statements.map(referenceTo),
    })),
    missingKeys: [...missingKeys],
    withheld,
    principalArn,
    action,
    resourceArn: resource,
  };
}

function referenceTo({ policy, sid, index }: NonNullable<Answer["statement"]>): StatementReference {
  return { policyKind: policy.kind, policyName: policy.name, ...(sid === undefined ? {} : { sid }), index };
}
