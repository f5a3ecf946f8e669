import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { type AccountId, parseAccountId, rootArn } from "../names.ts";
import { emailIsTaken, everyAccount, unusedId } from "./accounts.ts";
import { newUniqueId } from "./ids.ts";
import { builtInPolicies, newOrganizationId, newRootId, policyTypes } from "./organization-names.ts";
import { attachBuiltIns, type Desk, detachAll, isParent, organizationOf } from "./organization-tree.ts";
import type { Account, IdentityMetadata, IdentityNouns, Organization, Paged } from "./ports.ts";

export interface DescribedOrganization {
  readonly organization: Organization;
  readonly managementEmail: string;
}

/** How the making of an account went. Nothing is kept for it: the account itself tells. */
export interface AccountCreation {
  readonly id: string;
  readonly at: Date;
  /** Absent where it failed, because another account has the email. */
  readonly account?: Pick<Account, "id" | "name">;
}

export interface NewMember {
  readonly name: string;
  readonly email: string;
  /** Through which the management account administers it. */
  readonly roleName: string;
}

/** The organization itself and its accounts. */
export interface OrganizationMembers {
  /** Only the configured account can be its management account. @throws AlreadyInOrganization, OrganizationsDenied */
  createOrganization(granted: Granted): Promise<DescribedOrganization>;
  describeOrganization(granted: Granted): Promise<DescribedOrganization>;
  /** @throws OrganizationNotEmpty */
  deleteOrganization(granted: Granted): Promise<void>;
  createAccount(granted: Granted, member: NewMember): Promise<AccountCreation>;
  /** @throws CreateAccountStatusNotFound */
  accountCreation(granted: Granted, id: string): Promise<AccountCreation>;
  /** By account id. */
  accountCreations(granted: Granted, page: Paged<AccountId>): Promise<AccountCreation[]>;
  accountsOf(granted: Granted, page: Paged<AccountId>): Promise<Account[]>;
  /** @throws ParentNotFound */
  accountsIn(granted: Granted, parentId: string, page: Paged<AccountId>): Promise<Account[]>;
  /** @throws OrganizationAccountNotFound */
  accountOf(granted: Granted, id: string): Promise<{ organization: Organization; account: Account }>;
  /** Suspends it. @throws OrganizationAccountNotFound, AccountAlreadyClosed, OrganizationConstraint */
  closeAccount(granted: Granted, id: string): Promise<void>;
  /** It stands alone from then on. @throws OrganizationAccountNotFound, MasterCannotLeave */
  removeAccount(granted: Granted, id: string): Promise<void>;
  /** @throws OrganizationAccountNotFound, SourceParentNotFound, DestinationParentNotFound, DuplicateAccount */
  moveAccount(granted: Granted, id: string, from: string, to: string): Promise<void>;
}

export interface OrganizationMemberParts {
  readonly metadata: IdentityMetadata;
  readonly desk: Desk;
  /** The account that may found the organization. */
  readonly configured: AccountId;
  readonly clock: () => Date;
  changed(): void;
}

/** More would make each list a long one. Closed accounts count. */
const maxAccounts = 10_000;

export function createOrganizationMembers(parts: OrganizationMemberParts): OrganizationMembers {
  const { metadata, desk, configured, clock, changed } = parts;

  async function described({ accounts }: IdentityNouns, organization: Organization): Promise<DescribedOrganization> {
    const management = await accounts.find(organization.managementAccount);
    return { organization, managementEmail: management?.email ?? "" };
  }

  return {
    async createOrganization(granted) {
      const { account } = granted.caller.principal;
      const answer = await metadata.transact(async (nouns) => {
        const { accounts, organizations } = nouns;
        const founder = await accounts.find(account);
        if (founder?.parentId !== undefined) throw refuse("AlreadyInOrganization");
        if (account !== configured || !founder) throw refuse("OrganizationsDenied");
        const organization: Organization = {
          id: newOrganizationId(),
          rootId: newRootId(),
          managementAccount: account,
          createdAt: clock(),
          policyTypes: [],
        };
        if (!(await organizations.create(organization))) throw refuse("AlreadyInOrganization");
        for (const type of policyTypes) await organizations.putPolicy(builtInPolicies[type]);
        await attachBuiltIns(nouns, organization.rootId);
        await attachBuiltIns(nouns, account);
        await accounts.update(account, { parentId: organization.rootId });
        return { organization, managementEmail: founder.email };
      });
      changed();
      return answer;
    },
    async describeOrganization(granted) {
      return described(metadata.read, await organizationOf(metadata.read, granted));
    },
    deleteOrganization: (granted) =>
      desk.change(granted, async (nouns, { rootId, managementAccount }) => {
        const { accounts, organizations } = nouns;
        for await (const { id, parentId } of everyAccount(nouns)) {
          if (parentId !== undefined && id !== managementAccount) throw refuse("OrganizationNotEmpty");
        }
        if ((await organizations.unitsIn(rootId)).length > 0) throw refuse("OrganizationNotEmpty");
        await accounts.update(managementAccount, { parentId: undefined });
        await organizations.delete();
      }),
    createAccount: (granted, member) =>
      desk.change(granted, async (nouns, { rootId, managementAccount }) => {
        const at = clock();
        let members = 0;
        for await (const { parentId } of everyAccount(nouns)) if (parentId !== undefined) members++;
        if (members >= maxAccounts) {
          throw refuse("OrganizationConstraint", {
            reason: "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
            message: "You have exceeded the allowed number of AWS accounts.",
          });
        }
        if (await emailIsTaken(nouns, member.email)) return failedCreation(at);
        const id = await unusedId(nouns);
        const { name, email } = member;
        await nouns.accounts.create({ id, name, email, status: "ACTIVE", createdAt: at, parentId: rootId });
        await attachBuiltIns(nouns, id);
        await createAdministrator(nouns, id, member.roleName, managementAccount, at);
        return creationOf({ id, name, createdAt: at });
      }),
    accountCreation: (granted, id) =>
      desk.view(granted, async ({ accounts }, organization) => {
        const failed = failedCreationOf(id);
        if (failed) return failed;
        const accountId = parseAccountId(id.slice(creationPrefix.length));
        const account = accountId && (await accounts.find(accountId));
        if (!account || !isCreated(account, organization)) throw refuse("CreateAccountStatusNotFound");
        return creationOf(account);
      }),
    accountCreations: (granted, page) =>
      desk.view(granted, async (nouns, organization) => {
        const created = (account: Account) => isCreated(account, organization);
        return (await someAccounts(nouns, created, page)).map(creationOf);
      }),
    accountsOf: (granted, page) =>
      desk.view(granted, (nouns) => someAccounts(nouns, ({ parentId }) => parentId !== undefined, page)),
    accountsIn: (granted, parentId, page) =>
      desk.view(granted, async (nouns, organization) => {
        if (!(await isParent(nouns, organization, parentId))) throw refuse("ParentNotFound");
        return nouns.accounts.childrenOf(parentId, page);
      }),
    accountOf: (granted, id) =>
      desk.view(granted, async (nouns, organization) => ({ organization, account: await memberOf(nouns, id) })),
    closeAccount: (granted, id) =>
      desk.change(granted, async (nouns, { managementAccount }) => {
        const account = await memberOf(nouns, id);
        if (account.id === managementAccount) {
          throw refuse("OrganizationConstraint", {
            reason: "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
            message: "You attempted to close the management account.",
          });
        }
        if (account.status === "SUSPENDED") throw refuse("AccountAlreadyClosed");
        await nouns.accounts.update(account.id, { status: "SUSPENDED" });
      }),
    removeAccount: (granted, id) =>
      desk.change(granted, async (nouns, { managementAccount }) => {
        const account = await memberOf(nouns, id);
        if (account.id === managementAccount) throw refuse("MasterCannotLeave");
        await detachAll(nouns, account.id);
        await nouns.accounts.update(account.id, { parentId: undefined });
      }),
    moveAccount: (granted, id, from, to) =>
      desk.change(granted, async (nouns, organization) => {
        const account = await memberOf(nouns, id);
        if (!(await isParent(nouns, organization, from))) throw refuse("SourceParentNotFound");
        if (!(await isParent(nouns, organization, to))) throw refuse("DestinationParentNotFound");
        if (account.parentId === to) throw refuse("DuplicateAccount");
        if (account.parentId !== from) throw refuse("SourceParentNotFound");
        await nouns.accounts.update(account.id, { parentId: to });
      }),
  };
}

/** @throws OrganizationAccountNotFound */
async function memberOf({ accounts }: Pick<IdentityNouns, "accounts">, id: string): Promise<Account> {
  const accountId = parseAccountId(id);
  const account = accountId && (await accounts.find(accountId));
  if (account?.parentId === undefined) throw refuse("OrganizationAccountNotFound");
  return account;
}

/** A page of those that count. Accounts outside of the organization are between them. */
async function someAccounts(
  { accounts }: IdentityNouns,
  counts: (account: Account) => boolean,
  { after, limit }: Paged<AccountId>,
): Promise<Account[]> {
  const found: Account[] = [];
  for (let last = after; ; ) {
    const page = await accounts.list({ after: last, limit });
    found.push(...page.filter(counts));
    last = page.at(-1)?.id;
    if (found.length >= limit || page.length < limit) return found.slice(0, limit);
  }
}

// ── Creations ───────────────────────────────────────────────────────────────────────────────────────────────────────

const creationPrefix = "car-";

function isCreated({ id, parentId }: Account, { managementAccount }: Organization): boolean {
  return parentId !== undefined && id !== managementAccount;
}

function creationOf({ id, name, createdAt }: Pick<Account, "id" | "name" | "createdAt">): AccountCreation {
  return { id: `${creationPrefix}${id}`, at: createdAt, account: { id, name } };
}

/** Nothing was made that could tell of it, so the id itself does. */
function failedCreation(at: Date): AccountCreation {
  return { id: `${creationPrefix}f${at.getTime().toString(36)}`, at };
}

function failedCreationOf(id: string): AccountCreation | undefined {
  const [, time] = /^car-f([0-9a-z]{8})$/.exec(id) ?? [];
  return time === undefined ? undefined : { id, at: new Date(Number.parseInt(time, 36)) };
}

/** The role that lets the management account in (Organizations API reference, CreateAccount, `RoleName`). */
async function createAdministrator(
  { identities }: IdentityNouns,
  account: AccountId,
  name: string,
  managementAccount: AccountId,
  createdAt: Date,
): Promise<void> {
  const role = await identities.create({
    account,
    kind: "role",
    path: "/",
    name,
    uniqueId: newUniqueId("role"),
    createdAt,
    tags: new Map(),
    trustPolicy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { AWS: rootArn(managementAccount) }, Action: "sts:AssumeRole" }],
    }),
    trustBindings: new Map(),
    maxSessionSeconds: 3600,
  });
  if (!role) throw new Error(`the new account ${account} has a role already`);
  const everything = { Effect: "Allow", Action: "*", Resource: "*" };
  const document = JSON.stringify({ Version: "2012-10-17", Statement: [everything] });
  await identities.putInlinePolicy(role.id, "AdministratorAccess", document);
}
