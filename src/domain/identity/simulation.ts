import { type CompiledPolicy, compilePolicy } from "../../policy/compile.ts";
import { explain } from "../../policy/decide.ts";
import { checkPolicyDocument, type PolicyKind } from "../../policy/document.ts";
import { Malformed } from "../../policy/grammar.ts";
import { type Position, type Range, statementRanges } from "../../policy/positions.ts";
import type { Asker, DecidingStatement, Explanation, Policies } from "../../policy/question.ts";
import { parseTemplate } from "../../policy/template.ts";
import { compileMatcher } from "../../policy/wildcards.ts";
import type { Facts, Granted, PrincipalPolicies } from "../access.ts";
import { refuse } from "../errors.ts";
import { type AccountId, type Arn, parseAccountId } from "../names.ts";
import { othersTurn } from "../turns.ts";
import { arnOf, parsePrincipalArn } from "./directory.ts";
import { type PolicyOrigin, type PolicySubject, policySubject, type SourcePolicy } from "./policy-sources.ts";
import type { Identity, IdentityKind, IdentityNouns, Paged } from "./ports.ts";

export interface SimulationRequest {
  /** The user, group or role whose policies count. Absent: only those of the request do. */
  readonly source?: Arn;
  readonly policies: readonly string[];
  /** What the source has and the simulation leaves out. */
  readonly without?: readonly PolicyExclusion[];
  /** Instead of the organization's policies, level by level from the root down. */
  readonly serviceControl?: readonly (readonly string[])[];
  /** Instead of the source's own boundary. */
  readonly boundaries?: readonly string[];
  /** The policy of every resource. */
  readonly resourcePolicy?: string;
  /** The account of resources whose ARN names none. */
  readonly resourceOwner?: AccountId;
  /** A user who is taken for the one who asks. */
  readonly caller?: Arn;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Condition keys in lower case. */
  readonly context: Facts;
}

export type PolicyExclusion =
  /** `inline`, `aws-managed`, `user-managed`, `permission-boundary`, `scp`: all of them. */
  | { readonly type: string }
  /** `*` stands for anything. */
  | { readonly arn: string }
  | { readonly kind: IdentityKind; readonly entity: string; readonly name: string };

export interface Simulated {
  /** Its place among all results. */
  readonly index: number;
  readonly action: string;
  readonly resource: string;
  readonly decision: "allowed" | "explicitDeny" | "implicitDeny";
  /** The statements that made it so. */
  readonly matched: readonly MatchedStatement[];
  /** Condition keys that policies ask about, and that the simulation does not know, as the policies write them. */
  readonly missingKeys: readonly string[];
  /** Absent: there is no boundary, no organization. */
  readonly allowedByBoundary?: boolean;
  readonly allowedByOrganization?: boolean;
}

export interface MatchedStatement {
  readonly policy: string;
  readonly of: "principal" | "resource";
  readonly start: Position;
  readonly end: Position;
}

/** Answers what would be decided, by the engine that decides. */
export interface SimulationService {
  /** Each action on each resource. */
  run(granted: Granted, request: SimulationRequest, page: Paged<number>): Promise<Simulated[]>;
  /** The condition keys that the policies ask about, as they write them. */
  contextKeys(granted: Granted, request: Pick<SimulationRequest, "source" | "policies">): Promise<string[]>;
}

export interface SimulationParts {
  readonly metadata: { readonly read: Pick<IdentityNouns, "identities"> };
  /** What the organization says, and the condition keys that come from whoever asks. */
  readonly principals: PrincipalPolicies;
}

export function createSimulation({ metadata, principals }: SimulationParts): SimulationService {
  const subjectOf = (account: AccountId, arn: Arn) => policySubject(metadata.read, account, arn);

  /** What is known of a user or role without a simulation: nothing of a group, which asks for nothing itself. */
  async function standingOf({ entity }: PolicySubject) {
    const { kind, account, uniqueId } = entity;
    if (kind === "group") return undefined;
    const arn = arnOf(entity);
    return principals.of({ kind, account, arn, userId: uniqueId, identityId: uniqueId });
  }

  return {
    async run(granted, request, { after = -1, limit }) {
      const { account } = granted.registry;
      const subject = request.source && (await subjectOf(account, request.source));
      const standing = subject && (await standingOf(subject));
      const asker = askerOf(account, request, subject?.entity);
      const sources: ReadySource[] = [];
      const ready = (policies: readonly SourcePolicy[], kind: PolicyKind) =>
        policies.map((policy) => {
          const compiled = compileSource(policy, kind, String(sources.length));
          sources.push({ ...policy, compiled, ranges: once(() => statementRanges(policy.document)) });
          return compiled;
        });
      const { policies, boundaries, resourcePolicy, serviceControl, without = [] } = request;
      const left = (own: readonly SourcePolicy[] = []) => own.filter(({ origin }) => !isExcluded(origin, without));
      const isOff = (type: string) => without.some((one) => "type" in one && one.type === type);
      const boundary = boundaries
        ? checked(boundaries, "PermissionsBoundaryPolicyInputList", "boundary")
        : isOff("permission-boundary")
          ? undefined
          : subject?.boundary;
      const inForce: Policies = {
        identity: ready([...left(subject?.policies), ...checked(policies, "PolicyInputList", "identity")], "identity"),
        boundary: boundary && ready(boundary, "boundary"),
        serviceControl: serviceControl
          ? serviceControl.map((level) =>
              ready(checked(level, "ServiceControlPolicyInputList", "service-control"), "service-control"),
            )
          : isOff("scp")
            ? undefined
            : standing?.serviceControl,
        resource:
          resourcePolicy === undefined ? [] : ready([{ id: "ResourcePolicy", document: resourcePolicy }], "repository"),
      };
      const facts: Facts = { ...standing?.facts, ...principalFacts(asker, subject?.entity), ...request.context };
      const context = { get: (key: string) => (Object.hasOwn(facts, key) ? facts[key] : undefined) };
      const { resources } = request;
      const results: Simulated[] = [];
      const end = Math.min(after + 1 + limit, request.actions.length * resources.length);
      checkWork((end - after - 1) * statementsIn(inForce));
      const spell = speller(sources);
      for (let index = after + 1; index < end; index++) {
        if (index % resultsAtOnce === 0) await othersTurn();
        const action = request.actions[Math.floor(index / resources.length)] ?? "";
        const resource = resources[index % resources.length] ?? "*";
        const resourceAccount = accountOf(resource) ?? request.resourceOwner ?? asker.account;
        const question = { action, resource, resourceAccount, principal: asker, context };
        results.push({ index, action, resource, ...shown(explain(question, inForce), sources, spell) });
      }
      return results;
    },

    async contextKeys({ registry: { account } }, { source, policies }) {
      const subject = source && (await subjectOf(account, source));
      const all = [...(subject?.policies ?? []), ...checked(policies, "PolicyInputList", "identity")];
      const keys = all.flatMap((policy) => {
        const { keys } = compileSource(policy, "identity", policy.id);
        return [...keys].map(speller([policy]));
      });
      return [...new Map(keys.map((key) => [key.toLowerCase(), key])).values()].sort();
    },
  };
}

/** A policy of the simulation, ready; its source's name is its place among them. */
interface ReadySource extends SourcePolicy {
  readonly compiled: CompiledPolicy;
  /** Where its statements stand. */
  readonly ranges: () => readonly Range[];
}

/** Statements that are looked at for one page of results, over all results. */
const maxWork = 500_000;
const resultsAtOnce = 10;

/** @throws InvalidInput */
function checkWork(work: number): void {
  if (work <= maxWork) return;
  throw refuse("InvalidInput", {
    reason: `The simulation is too large: at most ${maxWork} statements are looked at for one page. Ask for fewer results by MaxItems.`,
  });
}

function statementsIn({ identity, boundary = [], serviceControl = [], resource }: Policies): number {
  const all = [...identity, ...boundary, ...serviceControl.flat(), ...resource];
  return all.reduce((sum, { statements }) => sum + statements.length, 0);
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function isExcluded(origin: PolicyOrigin | undefined, without: readonly PolicyExclusion[]): boolean {
  if (!origin) return false;
  return without.some((one) => {
    if ("type" in one) return one.type === origin.type;
    if ("arn" in one) return origin.type !== "inline" && matchesArn(one.arn, origin.arn);
    const { kind, entity, name } = one;
    return origin.type === "inline" && origin.kind === kind && origin.entity === entity && origin.name === name;
  });
}

/** Nothing in it is tried twice: whoever simulates may send any pattern. */
function matchesArn(pattern: string, arn: string): boolean {
  return compileMatcher(parseTemplate(pattern, { wildcards: true, variables: false }))(arn, { get: () => undefined });
}

/** Of a policy in a simulation; the quotas of what is kept do not count. */
const maxCharacters = 131_072;

/** @throws InvalidInput for what is no policy */
function checked(documents: readonly string[], list: string, kind: PolicyKind): SourcePolicy[] {
  return documents.map((document, index) => {
    const { problem, message } = checkPolicyDocument(document, kind, { maxCharacters });
    if (problem !== undefined) throw refuse("InvalidInput", { reason: `Invalid policy: ${message ?? problem}` });
    return { id: `${list}.${index + 1}`, document };
  });
}

/** @throws InvalidInput for what is no policy: one for resources of any service is not checked further */
function compileSource({ document }: SourcePolicy, kind: PolicyKind, name: string): CompiledPolicy {
  try {
    return compilePolicy(document, { kind, name });
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw refuse("InvalidInput", { reason: `Invalid policy: ${error.said}` }, { cause: error });
  }
}

/** @throws InvalidInput where nobody could be meant by a resource's policy */
function askerOf(account: AccountId, { caller, resourcePolicy }: SimulationRequest, entity?: Identity): Asker {
  const user = caller === undefined ? undefined : parsePrincipalArn(caller);
  if (caller !== undefined && (user?.kind !== "user" || user.arn === undefined)) {
    const reason = `Invalid Entity Arn: ${caller} does not clearly define entity type and name.`;
    throw refuse("InvalidInput", { reason });
  }
  if (user && caller !== undefined) return { kind: "user", account: user.account, arn: caller, identityArn: caller };
  if (resourcePolicy !== undefined && entity?.kind !== "user") {
    throw refuse("InvalidInput", { reason: "Invalid caller - Caller cannot be null or empty." });
  }
  if (!entity) return { kind: "user", account, arn: "", identityArn: "" };
  const arn = arnOf(entity);
  const kind = entity.kind === "role" ? "role" : "user";
  return { kind, account, arn, identityArn: arn, uniqueId: entity.uniqueId };
}

/** Condition keys that come from whoever asks. */
function principalFacts({ account, arn, kind }: Asker, entity: Identity | undefined): Facts {
  const isSource = entity !== undefined && arnOf(entity) === arn;
  // A group asks for nothing itself, and without a caller nobody does.
  if (arn === "" || (isSource && entity.kind === "group")) return {};
  return {
    "aws:principalarn": arn,
    "aws:principalaccount": account,
    "aws:principaltype": kind === "role" ? "AssumedRole" : "User",
    "aws:username": kind === "user" ? arn.slice(arn.lastIndexOf("/") + 1) : undefined,
    ...(isSource && kind === "user" && { "aws:userid": entity.uniqueId }),
  };
}

function accountOf(resource: string): AccountId | undefined {
  return parseAccountId(resource.split(":")[4] ?? "");
}

function shown(
  explanation: Explanation,
  sources: readonly ReadySource[],
  spell: (key: string) => string,
): Omit<Simulated, "index" | "action" | "resource"> {
  const { allowed, layers, missingKeys } = explanation;
  const isDenied = layers.some(({ verdict }) => verdict === "explicitDeny");
  const decision = allowed ? "allowed" : isDenied ? "explicitDeny" : "implicitDeny";
  const verdictOf = (kind: PolicyKind) => layers.find((layer) => layer.kind === kind)?.verdict;
  const allowedBy = (verdict: string | undefined) => (verdict === undefined ? undefined : verdict === "allowed");
  // Where something denies, what allows is not worth telling; where nothing decides, nothing is.
  const deciding = layers.filter(({ verdict }) => verdict === decision).flatMap(({ statements }) => statements);
  const effect = decision === "allowed" ? "Allow" : "Deny";
  return {
    decision,
    matched: decision === "implicitDeny" ? [] : deciding.flatMap((one) => matchedIn(one, effect, sources)),
    missingKeys: missingKeys.map(spell),
    allowedByBoundary: allowedBy(verdictOf("boundary")),
    allowedByOrganization: allowedBy(verdictOf("service-control")),
  };
}

/** Policies of the organization are nobody's to see. */
function matchedIn(
  { policy, index }: DecidingStatement,
  effect: "Allow" | "Deny",
  sources: readonly ReadySource[],
): MatchedStatement[] {
  const source = sources.find(({ compiled }) => compiled.source === policy);
  const range = source?.ranges()[index];
  if (!range || source.compiled.statements[index]?.effect !== effect) return [];
  return [{ policy: source.id, of: policy.kind === "repository" ? "resource" : "principal", ...range }];
}

/** Condition keys as the policies write them. */
function speller(policies: readonly SourcePolicy[]): (key: string) => string {
  const texts = once(() => policies.map(({ document }) => ({ document, lower: document.toLowerCase() })));
  const known = new Map<string, string>();
  function spelled(key: string): string {
    for (const { document, lower } of texts()) {
      const at = lower.indexOf(key);
      if (at >= 0) return document.slice(at, at + key.length);
    }
    return key;
  }
  return (key) => {
    const found = known.get(key) ?? spelled(key);
    known.set(key, found);
    return found;
  };
}
