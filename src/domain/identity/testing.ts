import { createPolicyCompiler } from "../../policy/compiler.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { type AccountId, type Arn, iamArn } from "../names.ts";
import type { OrganizationView } from "./known.ts";
import type { Identity, IdentityKind, IdentityMetadata } from "./ports.ts";
import { createSealer, type Sealer } from "./sealer.ts";
import type { IssuerKeys } from "./web-identity.ts";
import { createWhoIsWho } from "./who-is-who.ts";

/** For tests: identity over a database in memory, with users, roles and keys put straight into it. */

export const account = "111122223333" as AccountId;
export const otherAccount = "444455556666" as AccountId;
export const rootKey = { accessKeyId: "AKIAROOT", secret: "root-secret", account };

const noOrganization: OrganizationView = { of: async () => ({ serviceControl: [] }) };

export interface IdentityWorldOptions {
  readonly organization?: OrganizationView;
  readonly managedDocument?: (arn: Arn) => string | undefined;
  readonly issuerKeys?: IssuerKeys;
}

export async function identityWorld(options: IdentityWorldOptions = {}) {
  const metadata = await openSqlite({ path: ":memory:" });
  const sealer = createSealer(new Uint8Array(32).fill(7));
  const { compile } = createPolicyCompiler(1000);
  let now = new Date("2026-10-04T10:15:00Z");
  const clock = () => now;
  /** What another process would be: the same database, and its own memory of it. */
  const process = () =>
    createWhoIsWho({
      metadata,
      root: rootKey,
      sealer,
      compile,
      managedDocument: options.managedDocument ?? (() => undefined),
      organization: options.organization ?? noOrganization,
      issuerKeys: options.issuerKeys ?? { verify: async () => ({ state: "unreachable" }) },
      clock,
    });
  return {
    ...process(),
    ...peopleIn({ metadata, sealer, clock }),
    process,
    metadata,
    sealer,
    clock,
    pass: (seconds: number) => {
      now = new Date(now.getTime() + seconds * 1000);
    },
    close: () => metadata.close(),
  };
}

/** Puts accounts, users, groups, roles and keys straight into a database, past everybody who would be told. */
export function peopleIn(parts: { metadata: IdentityMetadata; sealer: Sealer; clock: () => Date }) {
  const { metadata, sealer, clock } = parts;
  let made = 0;

  async function identity(kind: IdentityKind, name: string, more: Partial<Identity> = {}): Promise<Identity> {
    const uniqueId = `${{ user: "AIDA", group: "AGPA", role: "AROA" }[kind]}${String(++made).padStart(17, "A")}`;
    const wanted = { account, kind, path: "/", name, uniqueId, createdAt: clock(), tags: new Map(), ...more };
    const identity = await metadata.transact(({ identities }) => identities.create(wanted));
    if (!identity) throw new Error(`${kind} ${name} exists`);
    return identity;
  }

  return {
    account: (id: AccountId, more: object = {}) =>
      metadata.transact(({ accounts }) =>
        accounts.create({ id, name: id, email: `${id}@example.com`, status: "ACTIVE", createdAt: clock(), ...more }),
      ),
    user: (name: string, more?: Partial<Identity>) => identity("user", name, more),
    group: (name: string, more?: Partial<Identity>) => identity("group", name, more),
    role: (name: string, more?: Partial<Identity>) => identity("role", name, more),
    async key(user: Identity, accessKeyId: string, more: object = {}) {
      const secret = `secret of ${accessKeyId}`;
      const sealedSecret = sealer.seal("access-key", { accessKeyId, secret });
      const key = { accessKeyId, account: user.account, identityId: user.id, sealedSecret, createdAt: clock() };
      await metadata.transact(({ accessKeys }) => accessKeys.create({ ...key, status: "Active", ...more }));
      return { accessKeyId, secretAccessKey: secret };
    },
    change: metadata.transact,
  };
}

export function allowing(action: string, resource = "*"): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: action, Resource: resource }],
  });
}

export const userArn = (name: string) => iamArn(account, "user", "/", name);
