import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { type AccountId, type Arn, iamArn } from "../names.ts";
import { type AwsManagedPolicy, awsManagedPolicies, awsManagedPolicy, isAwsManaged } from "./aws-managed-policies.ts";
import { filled } from "./filled.ts";
import { type NewTags, tagsOf, withoutTags, withTags } from "./identity-tags.ts";
import { newUniqueId } from "./ids.ts";
import { checkPolicy } from "./policy-text.ts";
import type { Identity, IdentityMetadata, IdentityNouns, ManagedPolicy, Paged, PolicyVersion } from "./ports.ts";

/** A managed policy as its readers see it: an account's own, or one of AWS's. */
export interface DescribedPolicy extends Omit<ManagedPolicy, "id" | "account" | "nextVersion"> {
  readonly attachable: boolean;
  /** By how many of the account's users, groups and roles it is used, and how. */
  readonly attachmentCount: number;
  readonly boundaryCount: number;
}

/** How a policy is used. */
export type PolicyUsage = "permissions" | "boundary";

export interface PolicyFilter {
  readonly scope: "all" | "aws" | "local";
  readonly onlyAttached?: boolean;
  readonly usage?: PolicyUsage;
  readonly pathPrefix?: string;
}

export interface NewPolicy {
  readonly name: string;
  readonly path?: string;
  readonly document: string;
  readonly description?: string;
  readonly tags?: NewTags;
}

export interface EntityFilter {
  readonly kind?: Identity["kind"];
  readonly pathPrefix?: string;
  readonly usage?: PolicyUsage;
}

export interface ManagedPolicyService {
  /** @throws EntityAlreadyExists, InvalidInput, LimitExceeded, MalformedPolicy */
  create(granted: Granted, policy: NewPolicy): Promise<DescribedPolicy>;
  /** @throws NoSuchEntity */
  get(granted: Granted, arn: Arn): Promise<DescribedPolicy>;
  /** The account's own first. `after` is a `policyKey`. */
  list(granted: Granted, filter: PolicyFilter, page: Paged<string>): Promise<DescribedPolicy[]>;
  /** @throws NoSuchEntity, DeleteConflict, and AccessDenied for one of AWS's */
  delete(granted: Granted, arn: Arn): Promise<void>;
  /** @throws NoSuchEntity, MalformedPolicy, LimitExceeded, AccessDenied */
  createVersion(granted: Granted, arn: Arn, document: string, asDefault: boolean): Promise<ShownVersion>;
  /** @throws NoSuchEntity */
  version(granted: Granted, arn: Arn, version: string): Promise<ShownVersion>;
  /** Newest first. @throws NoSuchEntity */
  versions(granted: Granted, arn: Arn): Promise<ShownVersion[]>;
  /** @throws NoSuchEntity, DeleteConflict, AccessDenied */
  deleteVersion(granted: Granted, arn: Arn, version: string): Promise<void>;
  /** @throws NoSuchEntity, AccessDenied */
  setDefaultVersion(granted: Granted, arn: Arn, version: string): Promise<void>;
  /** @throws NoSuchEntity, InvalidInput, LimitExceeded, AccessDenied */
  tag(granted: Granted, arn: Arn, tags: NewTags): Promise<void>;
  /** @throws NoSuchEntity, AccessDenied */
  untag(granted: Granted, arn: Arn, keys: readonly string[]): Promise<void>;
  /** The account's users, groups and roles that use it, by id. @throws NoSuchEntity */
  usedBy(granted: Granted, arn: Arn, filter: EntityFilter, page: Paged<number>): Promise<Identity[]>;
}

export interface ShownVersion extends PolicyVersion {
  readonly isDefault: boolean;
}

/** Default quotas (IAM user guide, "IAM and AWS STS quotas"). */
const maxPolicySize = 6144;
const maxVersions = 5;

/** Where a policy stands in lists of policies. */
export function policyKey({ arn, name }: Pick<DescribedPolicy, "arn" | "name">): string {
  return `${isAwsManaged(arn) ? awsList : localList}${name.toLowerCase()}`;
}
const localList = "local:";
const awsList = "aws:";

export interface ManagedPolicyParts {
  readonly metadata: IdentityMetadata;
  readonly clock: () => Date;
  /** Called after whatever changes what somebody may do. */
  readonly changed: () => void;
}

export function createManagedPolicies({ metadata, clock, changed }: ManagedPolicyParts): ManagedPolicyService {
  /** Changes one of the account's own policies. */
  async function change<Result>(
    granted: Granted,
    arn: Arn,
    work: (nouns: IdentityNouns, policy: ManagedPolicy) => Promise<Result>,
  ): Promise<Result> {
    if (isAwsManaged(arn)) throw notYours(granted, arn);
    const result = await metadata.transact(async (nouns) =>
      work(nouns, await own(nouns, granted.registry.account, arn)),
    );
    changed();
    return result;
  }

  return {
    async create({ registry: { account } }, { name, path = "/", document, description, tags = [] }) {
      checkDocument(document);
      const now = clock();
      const policy = await metadata.transact((nouns) =>
        nouns.managedPolicies.create(
          {
            account,
            arn: iamArn(account, "policy", path, name),
            path,
            name,
            uniqueId: newUniqueId("policy"),
            description,
            defaultVersion: "v1",
            nextVersion: 2,
            createdAt: now,
            updatedAt: now,
            tags: tagsOf(tags),
          },
          { version: "v1", document, createdAt: now },
        ),
      );
      if (policy) return { ...shown(policy), attachmentCount: 0, boundaryCount: 0 };
      const reason = `A policy called ${name} already exists. Duplicate names are not allowed.`;
      throw refuse("EntityAlreadyExists", { reason });
    },

    async get({ registry: { account } }, arn) {
      const known = awsManagedPolicy(arn);
      return counted(metadata.read, account, known ? shownAws(known) : shown(await own(metadata.read, account, arn)));
    },

    async list({ registry: { account } }, filter, { after = localList, limit }) {
      const { scope, onlyAttached, usage, pathPrefix } = filter;
      const { managedPolicies } = metadata.read;
      async function show(policy: Uncounted): Promise<DescribedPolicy | undefined> {
        const described = await counted(metadata.read, account, policy);
        if ((onlyAttached || usage === "permissions") && described.attachmentCount === 0) return undefined;
        return usage === "boundary" && described.boundaryCount === 0 ? undefined : described;
      }
      const listed: DescribedPolicy[] = [];
      if (scope !== "aws" && after.startsWith(localList)) {
        const page = { after: after.slice(localList.length) || undefined, limit };
        const read = (more: Paged<string>) => managedPolicies.list(account, { ...more, pathPrefix, onlyAttached });
        const keyOf = (policy: ManagedPolicy) => policy.name.toLowerCase();
        listed.push(...(await filled(page, { read, keyOf, show: (policy) => show(shown(policy)) })));
      }
      if (scope === "local") return listed;
      for (const policy of awsManagedPolicies) {
        if (listed.length >= limit) break;
        if (after.startsWith(awsList) && policyKey(policy) <= after) continue;
        if (!policy.path.startsWith(pathPrefix ?? "/")) continue;
        const described = await show(shownAws(policy));
        if (described) listed.push(described);
      }
      return listed;
    },

    async delete(granted, arn) {
      await change(granted, arn, async (nouns, { id, account }) => {
        const { attachmentCount, boundaryCount } = await counts(nouns, account, arn);
        if (attachmentCount + boundaryCount > 0) {
          throw refuse("DeleteConflict", { reason: "Cannot delete a policy attached to entities." });
        }
        if ((await nouns.managedPolicies.versions(id)).length > 1) {
          throw refuse("DeleteConflict", {
            reason:
              "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
          });
        }
        await nouns.managedPolicies.delete(id);
      });
    },

    async createVersion(granted, arn, document, asDefault) {
      return change(granted, arn, async ({ managedPolicies }, { id, nextVersion }) => {
        checkDocument(document);
        if ((await managedPolicies.versions(id)).length >= maxVersions) {
          throw refuse("LimitExceeded", {
            reason: `A managed policy can have up to ${maxVersions} versions. Before you create a new version, you must delete an existing version.`,
          });
        }
        const version = { version: `v${nextVersion}`, document, createdAt: clock() };
        await managedPolicies.addVersion(id, version);
        await managedPolicies.update(id, {
          nextVersion: nextVersion + 1,
          updatedAt: version.createdAt,
          ...(asDefault && { defaultVersion: version.version }),
        });
        return { ...version, isDefault: asDefault };
      });
    },

    async version({ registry: { account } }, arn, version) {
      const known = awsManagedPolicy(arn);
      if (known) {
        if (version === awsVersion(known).version) return awsVersion(known);
        throw noVersion(arn, version);
      }
      const { id, defaultVersion } = await own(metadata.read, account, arn);
      const found = await metadata.read.managedPolicies.version(id, version);
      if (!found) throw noVersion(arn, version);
      return { ...found, isDefault: version === defaultVersion };
    },

    async versions({ registry: { account } }, arn) {
      const known = awsManagedPolicy(arn);
      if (known) return [awsVersion(known)];
      const { id, defaultVersion } = await own(metadata.read, account, arn);
      const versions = await metadata.read.managedPolicies.versions(id);
      return versions.map((version) => ({ ...version, isDefault: version.version === defaultVersion }));
    },

    async deleteVersion(granted, arn, version) {
      await change(granted, arn, async ({ managedPolicies }, { id, defaultVersion }) => {
        if (version === defaultVersion) {
          throw refuse("DeleteConflict", { reason: "Cannot delete the default version of a policy." });
        }
        if (!(await managedPolicies.deleteVersion(id, version))) throw noVersion(arn, version);
        await managedPolicies.update(id, { updatedAt: clock() });
      });
    },

    async setDefaultVersion(granted, arn, version) {
      await change(granted, arn, async ({ managedPolicies }, { id }) => {
        if (!(await managedPolicies.version(id, version))) throw noVersion(arn, version);
        await managedPolicies.update(id, { defaultVersion: version, updatedAt: clock() });
      });
    },

    async tag(granted, arn, tags) {
      await change(granted, arn, (nouns, policy) =>
        nouns.managedPolicies.update(policy.id, { tags: withTags(policy.tags, tags) }),
      );
    },

    async untag(granted, arn, keys) {
      await change(granted, arn, (nouns, policy) =>
        nouns.managedPolicies.update(policy.id, { tags: withoutTags(policy.tags, keys) }),
      );
    },

    async usedBy({ registry: { account } }, arn, { kind, pathPrefix = "/", usage }, page) {
      if (!awsManagedPolicy(arn)) await own(metadata.read, account, arn);
      const { identities } = metadata.read;
      const usages: readonly PolicyUsage[] = usage ? [usage] : ["permissions", "boundary"];
      const show = (entity: Identity) =>
        (kind === undefined || entity.kind === kind) && entity.path.startsWith(pathPrefix) ? entity : undefined;
      const lists = usages.map((one) =>
        filled(page, { read: (more) => identities.attachedTo(account, arn, one, more), keyOf: ({ id }) => id, show }),
      );
      // Whoever uses it in both ways is one.
      const entities = new Map((await Promise.all(lists)).flat().map((entity) => [entity.id, entity]));
      return [...entities.values()].sort((a, b) => a.id - b.id).slice(0, page.limit);
    },
  };
}

type Uncounted = Omit<DescribedPolicy, "attachmentCount" | "boundaryCount">;

function shown({ id: _id, account: _account, nextVersion: _next, ...policy }: ManagedPolicy): Uncounted {
  return { ...policy, attachable: true };
}

function shownAws(policy: AwsManagedPolicy): Uncounted {
  const { version: defaultVersion } = awsVersion(policy);
  const { document: _document, ...facts } = policy;
  return { ...facts, defaultVersion, updatedAt: policy.createdAt, tags: new Map() };
}

function awsVersion({ document, createdAt }: AwsManagedPolicy): ShownVersion {
  return { version: "v1", document, createdAt, isDefault: true };
}

async function counted(nouns: IdentityNouns, account: AccountId, policy: Uncounted): Promise<DescribedPolicy> {
  return { ...policy, ...(await counts(nouns, account, policy.arn)) };
}

async function counts({ identities }: IdentityNouns, account: AccountId, arn: Arn) {
  const attachmentCount = await identities.countAttached(arn, "permissions", account);
  const boundaryCount = await identities.countAttached(arn, "boundary", account);
  return { attachmentCount, boundaryCount };
}

/** @throws NoSuchEntity, also for another account's */
async function own({ managedPolicies }: IdentityNouns, account: AccountId, arn: Arn): Promise<ManagedPolicy> {
  const policy = await managedPolicies.find(arn);
  if (policy?.account === account) return policy;
  throw refuse("NoSuchEntity", { reason: `Policy ${arn} was not found.` });
}

/** @throws MalformedPolicy, LimitExceeded */
function checkDocument(document: string): void {
  checkPolicy(document, "identity", maxPolicySize, `Cannot exceed quota for PolicySize: ${maxPolicySize}`);
}

function noVersion(arn: Arn, version: string) {
  return refuse("NoSuchEntity", { reason: `Policy ${arn} version ${version} does not exist or is not attachable.` });
}

/** AWS's policies belong to AWS's account, and nobody there has allowed anybody anything. */
function notYours({ caller: { principal }, needs }: Granted, arn: Arn) {
  const action = needs[0]?.action ?? "iam:*";
  const because = `because no resource-based policy allows the ${action} action`;
  return refuse("AccessDenied", { principal: principal.arn, action, resource: arn, because });
}
