import { z } from "zod";
import type { Facts } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Simulated, SimulationRequest } from "../../domain/identity/simulation.ts";
import { type AccountId, parseAccountId } from "../../domain/names.ts";
import { named } from "../input.ts";
import { EntityArn, PolicyDocument, paged } from "./shapes.ts";

/** What both simulations take and answer (IAM API reference, SimulatePrincipalPolicy and SimulateCustomPolicy). */

const contextTypes = [
  "string",
  "stringList",
  "numeric",
  "numericList",
  "boolean",
  "booleanList",
  "ip",
  "ipList",
  "binary",
  "binaryList",
  "date",
  "dateList",
] as const;

const ContextEntry = z.object({
  ContextKeyName: z.string().min(5).max(256).optional(),
  ContextKeyValues: z.array(z.string().max(4096)).max(1000).optional(),
  ContextKeyType: z.enum(contextTypes).optional(),
});

const ActionName = z.string().min(3).max(128);
const ResourceName = z.string().min(1).max(2048);
const ResourceOwner = named(
  z.string().min(1).max(2048),
  ownerOf,
  "Member must be an account id or the ARN of an account",
);

export const PolicyList = z.array(PolicyDocument).max(100);

export const simulationInput = {
  PermissionsBoundaryPolicyInputList: PolicyList.optional(),
  ActionNames: z.array(ActionName).min(1).max(1000),
  ResourceArns: z.array(ResourceName).max(1000).optional(),
  ResourcePolicy: PolicyDocument.optional(),
  ResourceOwner: ResourceOwner.optional(),
  CallerArn: EntityArn.optional(),
  ContextEntries: z.array(ContextEntry).max(1000).optional(),
  /** How instances, volumes and networks go together. No resource of a registry depends on it. */
  ResourceHandlingOption: z.string().min(1).max(64).optional(),
  ...paged,
};

type Input = z.output<z.ZodObject<typeof simulationInput>>;

/** @throws InvalidInput */
export function requestOf(input: Input, policies: readonly string[]): SimulationRequest {
  const { ActionNames, ResourceArns = [], ContextEntries = [] } = input;
  const wrong = ActionNames.find((action) => !/^[\w-]+:\w+$/.test(action));
  if (wrong !== undefined) {
    throw refuse("InvalidInput", { reason: `Invalid Action: ${wrong} is not a valid action name.` });
  }
  return {
    policies,
    boundaries: input.PermissionsBoundaryPolicyInputList,
    resourcePolicy: input.ResourcePolicy,
    resourceOwner: input.ResourceOwner,
    caller: input.CallerArn,
    actions: ActionNames,
    resources: ResourceArns.length > 0 ? ResourceArns : ["*"],
    context: contextOf(ContextEntries),
  };
}

/** @throws InvalidInput for a value that is not of its type */
function contextOf(entries: readonly z.output<typeof ContextEntry>[]): Facts {
  const facts: Record<string, string | readonly string[]> = {};
  for (const { ContextKeyName: name = "", ContextKeyValues: values = [], ContextKeyType: type = "string" } of entries) {
    const isList = type.endsWith("List");
    const isValid = formOf[type.replace("List", "")];
    const [value] = values;
    if (!name || value === undefined || (!isList && values.length > 1) || !values.every((one) => isValid?.test(one))) {
      throw refuse("InvalidInput", { reason: `Invalid context entry: ${name} has no value of the type ${type}` });
    }
    facts[name.toLowerCase()] = isList ? values : value;
  }
  return facts;
}

const formOf: Record<string, RegExp> = {
  string: /^/,
  numeric: /^[+-]?\d+(?:\.\d+)?$/,
  boolean: /^(?:true|false)$/i,
  ip: /^[0-9A-Fa-f.:]+(?:\/\d{1,3})?$/,
  binary: /^[A-Za-z0-9+/]*={0,2}$/,
  date: /^\d+$|^\d{4}-\d\d-\d\d/,
};

export function resultView(result: Simulated) {
  const { allowedByBoundary, allowedByOrganization } = result;
  return {
    EvalActionName: result.action,
    EvalResourceName: result.resource,
    EvalDecision: result.decision,
    MatchedStatements: result.matched.map(({ policy, of, start, end }) => ({
      SourcePolicyId: policy,
      // The API's type has other names; these are the ones that it answers with.
      SourcePolicyType: (of === "resource" ? "Resource Policy" : "IAM Policy") as "none",
      StartPosition: { Line: start.line, Column: start.column },
      EndPosition: { Line: end.line, Column: end.column },
    })),
    MissingContextValues: [...result.missingKeys],
    PermissionsBoundaryDecisionDetail:
      allowedByBoundary === undefined ? undefined : { AllowedByPermissionsBoundary: allowedByBoundary },
    OrganizationsDecisionDetail:
      allowedByOrganization === undefined ? undefined : { AllowedByOrganizations: allowedByOrganization },
  };
}

/** An account id, or the ARN of its root user. */
function ownerOf(text: string): AccountId | undefined {
  return parseAccountId(/^arn:aws:iam::(\d{12}):root$/.exec(text)?.[1] ?? text);
}
