import type { CompiledPolicy, CompileOptions, PolicySource } from "../../policy/compile.ts";
import type { Facts } from "../access.ts";
import { createFresh } from "../fresh.ts";
import type { AccountId, Arn } from "../names.ts";
import type { AccessKey, Account, Identity, IdentityNouns, ManagedDocument, NamedDocument } from "./ports.ts";

/** Makes a policy ready for decisions, and may remember what it made of a text. */
export type CompilePolicy = (text: string, source: PolicySource, options?: CompileOptions) => CompiledPolicy;

/** What the organization says about an account. */
export interface OrganizationView {
  of(account: AccountId): Promise<{
    /** Service control policies, level by level from the root down. Empty where none apply. */
    readonly serviceControl: readonly (readonly CompiledPolicy[])[];
    /** `o-…`. Absent outside of the organization. */
    readonly organizationId?: string;
    /** `o-…/r-…/ou-…/` */
    readonly organizationPath?: string;
  }>;
}

/** A user or role with everything that is decided from it. */
export interface KnownIdentity {
  readonly identity: Identity;
  readonly policies: readonly CompiledPolicy[];
  readonly boundary?: readonly CompiledPolicy[];
  /** Its tags, as `aws:principaltag/…`. */
  readonly tagFacts: Facts;
}

export type KnownKey =
  | { readonly kind: "user"; readonly key: AccessKey; readonly user: Identity }
  | { readonly kind: "root"; readonly account: Account }
  /** The configured root user's. */
  | { readonly kind: "configured" };

/**
 * What identity knows about keys, users, roles and accounts, for half a second (fresh.ts). Everything that decides who
 * somebody is asks here, so that one question to the database serves credentials, tokens and policies alike.
 */
export interface Known {
  key(accessKeyId: string): Promise<KnownKey | undefined>;
  identity(uniqueId: string): Promise<KnownIdentity | undefined>;
  isActive(account: AccountId): Promise<boolean>;
  /** The default version of a managed policy, as a session policy. */
  sessionPolicy(arn: Arn): Promise<CompiledPolicy | undefined>;
  /** Something of the above was changed in this process. All of it is asked for again: changes are seldom. */
  changed(): void;
}

export interface KnownParts {
  readonly read: IdentityNouns;
  readonly compile: CompilePolicy;
  /** The documents of AWS-managed policies. */
  readonly managedDocument: (arn: Arn) => string | undefined;
  /** The configured root user. Its account is there also where nobody has written a row for it. */
  readonly root: { readonly accessKeyId: string; readonly account: AccountId };
}

/** What may be the id of a key that is kept (IAM API reference, AccessKey). Anybody can send anything in its place. */
const keyId = /^\w{1,128}$/;

/** Enough for every caller of half a second; beyond it, whoever was asked for longest ago is asked for again. */
const maxEntries = 10_000;

export function createKnown({ read, compile, managedDocument, root }: KnownParts): Known {
  const keeps = (value: unknown) => value !== undefined;

  // What nobody has is remembered too: a name that is guessed must not cost more than one that is there.
  const keys = createFresh<KnownKey | undefined>({
    async read(accessKeyId) {
      // Always both, so that the time tells nothing about which there is.
      const [withUser, account] = await Promise.all([
        read.accessKeys.findWithUser(accessKeyId),
        read.accounts.ofRootKey(accessKeyId),
      ]);
      if (accessKeyId === root.accessKeyId) return { kind: "configured" };
      if (withUser) return { kind: "user", ...withUser };
      return account && { kind: "root", account };
    },
    maxEntries,
  });

  const identities = createFresh<KnownIdentity | undefined>({
    read: async (uniqueId) => {
      const found = await read.identities.withPolicies(uniqueId);
      if (!found) return undefined;
      const { identity, inline, attached, groups, boundary } = found;
      const whose = `${identity.kind} ${identity.name}`;
      return {
        identity,
        policies: [
          ...inlinePolicies(inline, whose),
          ...attachedPolicies(attached),
          ...groups.flatMap(({ group, inline, attached }) => [
            ...inlinePolicies(inline, `group ${group.name}`),
            ...attachedPolicies(attached),
          ]),
        ],
        boundary: boundary && managed([boundary], "boundary"),
        tagFacts: tagFacts(identity.tags),
      };
    },
    maxEntries,
    keeps,
  });

  const activity = createFresh<boolean>({
    async read(id) {
      const account = await read.accounts.find(id as AccountId);
      return account ? account.status === "ACTIVE" : id === root.account;
    },
    maxEntries,
    keeps: (isActive) => isActive,
  });

  const sessionPolicies = createFresh<CompiledPolicy | undefined>({
    async read(arn) {
      const document = managedDocument(arn as Arn) ?? (await defaultVersion(arn as Arn));
      return document === undefined ? undefined : compile(document, { kind: "session", name: arn });
    },
    maxEntries,
    keeps,
  });

  async function defaultVersion(arn: Arn): Promise<string | undefined> {
    const policy = await read.managedPolicies.find(arn);
    return policy && (await read.managedPolicies.version(policy.id, policy.defaultVersion))?.document;
  }

  function inlinePolicies(documents: readonly NamedDocument[], whose: string): CompiledPolicy[] {
    return documents.map(({ name, document }) =>
      compile(document, { kind: "identity", name: `inline policy ${name} of ${whose}` }),
    );
  }

  function attachedPolicies(documents: readonly ManagedDocument[]): CompiledPolicy[] {
    return managed(documents, "identity");
  }

  /** What is gone says nothing: as a boundary it allows nothing. */
  function managed(documents: readonly ManagedDocument[], kind: "identity" | "boundary"): CompiledPolicy[] {
    return documents.flatMap(({ arn, document = managedDocument(arn) }) =>
      document === undefined ? [] : [compile(document, { kind, name: arn })],
    );
  }

  return {
    // Any other text is nobody's key. It must not fill the memory, nor reach a database that cannot read it.
    key: async (id) => (keyId.test(id) || id === root.accessKeyId ? keys.get(id) : undefined),
    identity: identities.get,
    isActive: activity.get,
    sessionPolicy: sessionPolicies.get,
    changed() {
      for (const fresh of [keys, identities, activity, sessionPolicies]) fresh.forget();
    },
  };
}

/** Tags as the condition keys of whoever has them. */
export function tagFacts(tags: Iterable<readonly [string, string]>, prefix = "aws:principaltag/"): Facts {
  return Object.fromEntries([...tags].map(([key, value]) => [`${prefix}${key.toLowerCase()}`, value]));
}
