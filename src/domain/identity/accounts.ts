import { refuse } from "../errors.ts";
import type { AccountId } from "../names.ts";
import { newAccessKeyId } from "./ids.ts";
import { attachBuiltIns } from "./organization-tree.ts";
import type { Account, IdentityMetadata, IdentityNouns } from "./ports.ts";
import { alphanumeric, digits, randomText } from "./random.ts";
import type { Sealer } from "./sealer.ts";

/** The pair that a root user signs with. Shown when it is made and never again. */
export interface RootKeyPair {
  readonly accessKeyId: string;
  readonly secret: string;
}

export interface NewAccount {
  /** Left out: twelve random digits that no account has. */
  readonly id?: AccountId;
  readonly name: string;
  /** Left out: one that nobody can have. No two accounts share one. */
  readonly email?: string;
}

/** What the operator does with accounts. Whoever can open the stores is the operator: there is no gate before it. */
export interface AccountService {
  /** Makes the configured account, which exists from the first start, where it is missing. */
  ensureConfigured(): Promise<void>;
  /** @throws EntityAlreadyExists, InvalidInput */
  create(wanted: NewAccount): Promise<{ readonly account: Account; readonly rootKey: RootKeyPair }>;
  /** By id. */
  list(): AsyncIterable<Account>;
  /**
   * Nobody of the account can do anything from the next moment on. Its content stays.
   * @throws NoSuchEntity, and InvalidInput for the configured account
   */
  suspend(id: AccountId): Promise<void>;
  /** @throws NoSuchEntity */
  resume(id: AccountId): Promise<void>;
  /**
   * It hangs on the organization's root then. For accounts that were made outside of it, or have left.
   * @throws NoSuchEntity, EntityAlreadyExists
   */
  join(id: AccountId): Promise<void>;
  /**
   * A new pair in the place of the old one, which is of no use any more.
   * @throws NoSuchEntity, and InvalidInput for the configured account
   */
  replaceRootKey(id: AccountId): Promise<RootKeyPair>;
}

export interface AccountParts {
  readonly metadata: IdentityMetadata;
  readonly sealer: Pick<Sealer, "seal">;
  readonly configured: AccountId;
  readonly clock: () => Date;
}

/** What root users' secrets are sealed for. */
export const rootKeyPurpose = "root-key";

/** Also of Organizations (its API reference, CreateAccount). */
export const accountNamePattern = "[\\u0020-\\u007E]{1,50}";
export const emailPattern = "[^\\s@]+@[^\\s@]+\\.[^\\s@]+";
const emailLength = { min: 6, max: 64 };

const pageSize = 500;

export function createAccounts({ metadata, sealer, configured, clock }: AccountParts): AccountService {
  function newRootKey() {
    const rootKey: RootKeyPair = {
      accessKeyId: newAccessKeyId(),
      secret: randomText(alphanumeric, 40),
    };
    const kept = { rootKeyId: rootKey.accessKeyId, rootSealedSecret: sealer.seal(rootKeyPurpose, rootKey) };
    return { rootKey, kept };
  }

  async function update(id: AccountId, changes: Partial<Account>): Promise<void> {
    const isThere = await metadata.transact(({ accounts }) => accounts.update(id, changes));
    if (!isThere) throw refuse("NoSuchEntity", { reason: `there is no account ${id}` });
  }

  function refuseForConfigured(id: AccountId, reason: string): void {
    if (id === configured) throw refuse("InvalidInput", { reason });
  }

  return {
    async ensureConfigured() {
      if (await metadata.read.accounts.find(configured)) return;
      const account: Account = {
        id: configured,
        name: "root",
        email: emailFor(configured),
        status: "ACTIVE",
        createdAt: clock(),
      };
      // Of several processes that start together one makes it.
      await metadata.transact(({ accounts }) => accounts.create(account));
    },
    async create({ id: wantedId, name, email: wantedEmail }) {
      checkName(name);
      if (wantedEmail !== undefined) checkEmail(wantedEmail);
      const { rootKey, kept } = newRootKey();
      return metadata.transact(async (nouns) => {
        const id = wantedId ?? (await unusedId(nouns));
        const taken = refuse("EntityAlreadyExists", { reason: `there is an account ${id} already` });
        if (id === configured || (await nouns.accounts.find(id))) throw taken;
        const email = wantedEmail ?? emailFor(id);
        if (await emailIsTaken(nouns, email)) {
          throw refuse("EntityAlreadyExists", { reason: `another account has the email ${email}` });
        }
        const account: Account = { id, name, email, status: "ACTIVE", createdAt: clock(), ...kept };
        // Another process may have been faster.
        if (!(await nouns.accounts.create(account))) throw taken;
        return { account, rootKey };
      });
    },
    list: () => everyAccount(metadata.read),
    async suspend(id) {
      refuseForConfigured(id, `${id} is the configured account, which cannot be suspended`);
      await update(id, { status: "SUSPENDED" });
    },
    resume: (id) => update(id, { status: "ACTIVE" }),
    join: (id) =>
      metadata.transact(async (nouns) => {
        const [organization, account] = [await nouns.organizations.get(), await nouns.accounts.find(id)];
        if (!organization) throw refuse("NoSuchEntity", { reason: "there is no organization" });
        if (!account) throw refuse("NoSuchEntity", { reason: `there is no account ${id}` });
        if (account.parentId !== undefined) {
          throw refuse("EntityAlreadyExists", { reason: `${id} is in the organization already` });
        }
        await attachBuiltIns(nouns, id);
        await nouns.accounts.update(id, { parentId: organization.rootId });
      }),
    async replaceRootKey(id) {
      refuseForConfigured(
        id,
        `the root key pair of ${id}, the configured account, is in its credentials file or settings`,
      );
      const { rootKey, kept } = newRootKey();
      await update(id, kept);
      return rootKey;
    },
  };
}

/** Twelve digits that no account has. */
export async function unusedId({ accounts }: Pick<IdentityNouns, "accounts">): Promise<AccountId> {
  for (;;) {
    const id = randomText(digits, 12) as AccountId;
    // Ids that begin with a zero lose it in spreadsheets and YAML.
    if (!id.startsWith("0") && !(await accounts.find(id))) return id;
  }
}

/** Whatever its case. Accounts are few, and seldom made: no index is kept for it. */
export async function emailIsTaken(nouns: Pick<IdentityNouns, "accounts">, email: string): Promise<boolean> {
  const wanted = email.toLowerCase();
  for await (const account of everyAccount(nouns)) if (account.email.toLowerCase() === wanted) return true;
  return false;
}

export async function* everyAccount({ accounts }: Pick<IdentityNouns, "accounts">): AsyncGenerator<Account> {
  for (let after: AccountId | undefined; ; ) {
    const page = await accounts.list({ after, limit: pageSize });
    yield* page;
    after = page.at(-1)?.id;
    if (page.length < pageSize) return;
  }
}

/** A name that is never resolved (RFC 6761). */
function emailFor(id: AccountId): string {
  return `${id}@accounts.invalid`;
}

function checkName(name: string): void {
  if (!new RegExp(`^${accountNamePattern}$`).test(name)) {
    throw refuse("InvalidInput", { reason: "the name of an account has 1 to 50 printable ASCII characters" });
  }
}

function checkEmail(email: string): void {
  const { min, max } = emailLength;
  if (email.length < min || email.length > max || !new RegExp(`^${emailPattern}$`).test(email)) {
    throw refuse("InvalidInput", {
      reason: `${JSON.stringify(email)} is not an email address of ${min} to ${max} characters`,
    });
  }
}
