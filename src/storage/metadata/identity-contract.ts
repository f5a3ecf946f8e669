import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type {
  AccessKey,
  Account,
  Identity,
  IdentityKind,
  ManagedPolicy,
  OidcProvider,
  Organization,
  OrganizationPolicy,
  PolicyVersion,
} from "../../domain/identity/ports.ts";
import { type AccountId, type Arn, iamArn, type Region } from "../../domain/names.ts";
import type { AllMetadata } from "./metadata.ts";
import type { AllNouns } from "./nouns.ts";

export interface OpenedIdentities {
  readonly metadata: AllMetadata;
  dispose(): Promise<void>;
}

const start = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(start + seconds * 1000);
const region = "eu-west-1" as Region;
const none: ReadonlyMap<string, string> = new Map();
const document = (sid: string) => JSON.stringify({ Version: "2012-10-17", Statement: [{ Sid: sid }] });
const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess" as Arn;

let lastNumber = 0;
/** Never the same twice, so that tests can share a database. */
const next = () => ++lastNumber;
const newAccountId = () => String(next()).padStart(12, "0") as AccountId;

function newIdentity(account: AccountId, kind: IdentityKind, name: string, facts: Partial<Identity> = {}) {
  return { account, kind, path: "/", name, uniqueId: `ID${next()}`, createdAt: at(0), tags: none, ...facts };
}

function newPolicy(account: AccountId, name: string, facts: Partial<ManagedPolicy> = {}): Omit<ManagedPolicy, "id"> {
  const path = facts.path ?? "/";
  return {
    account,
    arn: iamArn(account, "policy", path, name),
    path,
    name,
    uniqueId: `ANPA${next()}`,
    defaultVersion: "v1",
    nextVersion: 2,
    createdAt: at(0),
    updatedAt: at(0),
    tags: none,
    ...facts,
  };
}

const version = (number: number, seconds = 0): PolicyVersion => ({
  version: `v${number}`,
  document: document(`v${number}`),
  createdAt: at(seconds),
});

const newKey = ({ account, id }: Identity, facts: Partial<AccessKey> = {}): AccessKey => ({
  accessKeyId: `AKIA${next()}`,
  account,
  identityId: id,
  sealedSecret: "sealed",
  status: "Active",
  createdAt: at(0),
  ...facts,
});

/** What identity keeps, as `IdentityNouns` promises it. */
export function identityContract(name: string, open: () => Promise<OpenedIdentities>): void {
  describe(`${name}: identity`, () => {
    let opened: OpenedIdentities;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.dispose());

    const read = () => opened.metadata.read;
    const change = <Result>(work: (nouns: AllNouns) => Promise<Result>) => opened.metadata.transact(work);

    async function make(account: AccountId, kind: IdentityKind, name: string, facts?: Partial<Identity>) {
      const made = await change(({ identities }) => identities.create(newIdentity(account, kind, name, facts)));
      if (!made) throw new Error("the name is taken");
      return made;
    }

    async function makePolicy(account: AccountId, name: string, facts?: Partial<ManagedPolicy>) {
      const policy = newPolicy(account, name, facts);
      const made = await change(({ managedPolicies }) => managedPolicies.create(policy, version(1)));
      if (!made) throw new Error("the name is taken");
      return made;
    }

    const names = (entities: readonly { readonly name: string }[]) => entities.map(({ name }) => name);

    describe("accounts", () => {
      const newAccount = (facts: Partial<Account> = {}): Account => ({
        id: newAccountId(),
        name: "team",
        email: "team@example.com",
        status: "ACTIVE",
        createdAt: at(1),
        ...facts,
      });

      test("an account is found by its id and by its root user's key", async () => {
        const plain = newAccount();
        const full = newAccount({
          alias: `alias-${next()}`,
          rootKeyId: `AKIA${next()}`,
          rootSealedSecret: "s",
          parentId: "r-1",
        });
        for (const account of [plain, full])
          expect(await change(({ accounts }) => accounts.create(account))).toBe(true);
        expect(await read().accounts.find(plain.id)).toEqual(plain);
        expect(await read().accounts.find(full.id)).toEqual(full);
        expect(await read().accounts.ofRootKey(full.rootKeyId ?? "")).toEqual(full);
        expect(await read().accounts.ofRootKey("AKIA0")).toBeUndefined();
        expect(await read().accounts.find(newAccountId())).toBeUndefined();
      });

      test("an account that is there is not created again", async () => {
        const account = newAccount();
        const answers = await Promise.all(
          ["a", "b", "c"].map((name) => change(({ accounts }) => accounts.create({ ...account, name }))),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
        const kept = await read().accounts.find(account.id);
        expect(await change(({ accounts }) => accounts.create(account))).toBe(false);
        expect(await read().accounts.find(account.id)).toEqual(kept);
      });

      test("changes leave the rest, and undefined removes", async () => {
        const account = newAccount({ rootKeyId: `AKIA${next()}`, rootSealedSecret: "s", parentId: "r-1" });
        await change(({ accounts }) => accounts.create(account));
        const update = (changes: Parameters<AllNouns["accounts"]["update"]>[1]) =>
          change(({ accounts }) => accounts.update(account.id, changes));
        expect(await update({})).toBe(true);
        expect(await read().accounts.find(account.id)).toEqual(account);
        expect(await update({ name: "n", email: "e", status: "SUSPENDED", parentId: undefined })).toBe(true);
        const { parentId: _, ...rest } = account;
        expect(await read().accounts.find(account.id)).toEqual({ ...rest, name: "n", email: "e", status: "SUSPENDED" });
        expect(await update({ rootKeyId: undefined, rootSealedSecret: undefined, parentId: "ou-1" })).toBe(true);
        const changed = await read().accounts.find(account.id);
        expect(changed).toMatchObject({ parentId: "ou-1", name: "n" });
        expect(changed?.rootKeyId ?? changed?.rootSealedSecret).toBeUndefined();
        expect(await change(({ accounts }) => accounts.update(newAccountId(), { name: "x" }))).toBe(false);
      });

      test("an alias belongs to one account, also when two take it at once", async () => {
        const [one, two] = [newAccount(), newAccount()];
        for (const account of [one, two]) await change(({ accounts }) => accounts.create(account));
        const set = (id: AccountId, alias?: string) => change(({ accounts }) => accounts.setAlias(id, alias));
        const alias = `alias-${next()}`;
        const answers = await Promise.all([set(one.id, alias), set(two.id, alias)]);
        expect(answers.toSorted()).toEqual([false, true]);
        const [owner, other] = answers[0] ? [one, two] : [two, one];
        expect((await read().accounts.find(owner.id))?.alias).toBe(alias);
        expect((await read().accounts.find(other.id))?.alias).toBeUndefined();
        expect(await set(owner.id, alias)).toBe(true);
        expect(await set(owner.id)).toBe(true);
        expect(await set(other.id, alias)).toBe(true);
      });

      test("are listed by id, also those of one node", async () => {
        const parentId = `ou-${next()}`;
        const made = Array.from({ length: 5 }, () => newAccount({ parentId }));
        for (const account of [...made].reverse()) await change(({ accounts }) => accounts.create(account));
        await change(({ accounts }) => accounts.create(newAccount()));
        const ids = made.map(({ id }) => id);
        const first = await read().accounts.childrenOf(parentId, { limit: 3 });
        expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 3));
        const rest = await read().accounts.childrenOf(parentId, { after: ids[2], limit: 3 });
        expect(rest.map(({ id }) => id)).toEqual(ids.slice(3));
        const listed = await read().accounts.list({ after: ids[0], limit: 2 });
        expect(listed.map(({ id }) => id)).toEqual(ids.slice(1, 3));
      });
    });

    describe("users, groups and roles", () => {
      test("are found as they were made, whatever the case of the name", async () => {
        const account = newAccountId();
        const { arn: boundary } = await makePolicy(account, "limits");
        const facts: Partial<Identity> = {
          path: "/ci/",
          description: "builds",
          boundary,
          tags: new Map([["team", "core ☃"]]),
          trustPolicy: document("trust"),
          trustBindings: new Map([["arn:aws:iam::1:user/a", "AIDA1"]]),
          maxSessionSeconds: 3600,
          lastUsedAt: at(5),
          lastUsedRegion: region,
        };
        const role = await make(account, "role", "Builder", facts);
        expect(role).toMatchObject({ account, kind: "role", name: "Builder", ...facts });
        const user = await make(account, "user", "Builder");
        expect(await read().identities.find(account, "role", "builDER")).toEqual(role);
        expect(await read().identities.find(account, "user", "BUILDER")).toEqual(user);
        expect(await read().identities.ofUniqueId(role.uniqueId)).toEqual(role);
        expect(await read().identities.find(account, "group", "Builder")).toBeUndefined();
        expect(await read().identities.find(newAccountId(), "role", "Builder")).toBeUndefined();
        expect(await read().identities.ofUniqueId("AROA0")).toBeUndefined();
      });

      test("of many that take one name at once, one wins", async () => {
        const account = newAccountId();
        const made = await Promise.all(
          ["same", "SAME", "Same", "sAme"].map((name) =>
            change(({ identities }) => identities.create(newIdentity(account, "user", name))),
          ),
        );
        expect(made.filter((user) => user !== undefined)).toHaveLength(1);
        expect(await read().identities.count(account, "user")).toBe(1);
        expect(await read().identities.count(account, "role")).toBe(0);
      });

      test("changes leave the rest, and undefined removes", async () => {
        const account = newAccountId();
        const { arn: boundary } = await makePolicy(account, "limits");
        const user = await make(account, "user", "anna", { boundary, description: "d", tags: new Map([["a", "b"]]) });
        const update = (changes: Parameters<AllNouns["identities"]["update"]>[1]) =>
          change(({ identities }) => identities.update(user.id, changes));
        const find = () => read().identities.ofUniqueId(user.uniqueId);
        expect(await update({})).toBe(true);
        expect(await update({ name: "Anna", path: "/x/" })).toBe(true);
        expect(await find()).toEqual({ ...user, name: "Anna", path: "/x/" });
        expect(await update({ boundary: undefined, description: undefined, tags: none })).toBe(true);
        expect(await find()).toEqual({
          ...newIdentity(account, "user", "Anna", user),
          name: "Anna",
          path: "/x/",
          tags: none,
          boundary: undefined,
          description: undefined,
        } as Identity);
        const role = {
          trustPolicy: "{}",
          trustBindings: new Map([["a", "b"]]),
          maxSessionSeconds: 1,
          boundary: readOnly,
        };
        expect(await update({ ...role, lastUsedAt: at(1), lastUsedRegion: region })).toBe(true);
        expect(await find()).toMatchObject({ ...role, lastUsedAt: at(1), lastUsedRegion: region });
      });

      test("a taken name is refused to who renames, also when two take it at once", async () => {
        const account = newAccountId();
        const [anna, bert, carl] = [
          await make(account, "user", "anna"),
          await make(account, "user", "bert"),
          await make(account, "user", "carl"),
        ];
        await make(account, "group", "dora");
        const rename = ({ id }: Identity, name: string) => change(({ identities }) => identities.update(id, { name }));
        expect(await rename(anna, "BERT")).toBe(false);
        expect(await read().identities.find(account, "user", "anna")).toEqual(anna);
        const answers = await Promise.all([rename(anna, "dora"), rename(carl, "Dora")]);
        expect(answers.toSorted()).toEqual([false, true]);
        expect(await rename(bert, "bert")).toBe(true);
      });

      test("are listed by lower-case name, by path", async () => {
        const account = newAccountId();
        for (const name of ["b", "C", "a", "D"])
          await make(account, "user", name, { path: name === "a" ? "/" : "/t_%/" });
        await make(account, "user", "e", { path: "/tx%/" });
        await make(account, "role", "f");
        const { list } = read().identities;
        expect(names(await list(account, "user", { limit: 9 }))).toEqual(["a", "b", "C", "D", "e"]);
        expect(names(await list(account, "user", { after: "b", limit: 2 }))).toEqual(["C", "D"]);
        expect(names(await list(account, "user", { limit: 2, pathPrefix: "/t_" }))).toEqual(["b", "C"]);
        expect(names(await list(account, "user", { after: "c", limit: 2, pathPrefix: "/t_" }))).toEqual(["D"]);
        expect(names(await list(account, "user", { limit: 9, pathPrefix: "/T" }))).toEqual([]);
      });

      test("who locks one sees what those before have changed", async () => {
        const user = await make(newAccountId(), "user", "anna");
        const add = (key: string) =>
          change(async ({ identities }) => {
            const { tags } = (await identities.lock(user.id)) ?? user;
            await identities.update(user.id, { tags: new Map([...tags, [key, key]]) });
          });
        const keys = ["a", "b", "c", "d", "e"];
        await Promise.all(keys.map(add));
        const tags = (await read().identities.ofUniqueId(user.uniqueId))?.tags ?? none;
        expect([...tags.keys()].toSorted()).toEqual(keys);
        expect(await change(({ identities }) => identities.lock(0))).toBeUndefined();
      });

      test("the time of the last use never moves back", async () => {
        const account = newAccountId();
        const [anna, bert] = [await make(account, "user", "anna"), await make(account, "role", "bert")];
        const used = (entries: [string, number, string][]) =>
          change(({ identities }) =>
            identities.used(
              new Map(entries.map(([id, seconds, region]) => [id, { at: at(seconds), region: region as Region }])),
            ),
          );
        await used([]);
        await used([
          [anna.uniqueId, 20, "eu-west-1"],
          [bert.uniqueId, 5, "eu-west-1"],
          ["gone", 5, "eu-west-1"],
        ]);
        await used([
          [anna.uniqueId, 10, "us-east-1"],
          [bert.uniqueId, 10, "us-east-1"],
        ]);
        const find = read().identities.ofUniqueId;
        expect(await find(anna.uniqueId)).toEqual({ ...anna, lastUsedAt: at(20), lastUsedRegion: region });
        expect(await find(bert.uniqueId)).toMatchObject({ lastUsedAt: at(10), lastUsedRegion: "us-east-1" });
      });
    });

    test("members of groups, and groups of users", async () => {
      const account = newAccountId();
      const users = [
        await make(account, "user", "b"),
        await make(account, "user", "A"),
        await make(account, "user", "c"),
      ];
      const groups = [await make(account, "group", "y"), await make(account, "group", "X")];
      const [b, a] = users as [Identity, Identity];
      const [y, x] = groups as [Identity, Identity];
      await change(async ({ identities }) => {
        for (const user of users) for (const group of groups) await identities.join(group.id, user.id);
        await identities.join(y.id, b.id);
      });
      const { membersOf, groupsOf } = read().identities;
      expect(names(await membersOf(y.id, { limit: 2 }))).toEqual(["A", "b"]);
      expect(names(await membersOf(y.id, { after: "b", limit: 2 }))).toEqual(["c"]);
      expect(names(await groupsOf(b.id, { limit: 1 }))).toEqual(["X"]);
      expect(names(await groupsOf(b.id, { after: "x", limit: 9 }))).toEqual(["y"]);
      expect(await change(({ identities }) => identities.leave(y.id, b.id))).toBe(true);
      expect(await change(({ identities }) => identities.leave(y.id, b.id))).toBe(false);
      expect(await groupsOf(b.id, { limit: 9 })).toEqual([x]);
      await change(({ identities }) => identities.delete(x.id));
      expect(await groupsOf(b.id, { limit: 9 })).toEqual([]);
      await change(({ identities }) => identities.delete(a.id));
      expect(names(await membersOf(y.id, { limit: 9 }))).toEqual(["c"]);
    });

    describe("policies of users, groups and roles", () => {
      test("inline", async () => {
        const user = await make(newAccountId(), "user", "anna");
        const put = (name: string, sid: string) =>
          change(({ identities }) => identities.putInlinePolicy(user.id, name, document(sid)));
        for (const name of ["push", "Pull", "a"]) await put(name, "old");
        await put("push", "new");
        const { identities } = read();
        expect(await identities.inlinePolicy(user.id, "push")).toBe(document("new"));
        expect(await identities.inlinePolicy(user.id, "PUSH")).toBeUndefined();
        expect(await identities.inlinePolicyNames(user.id, { limit: 2 })).toEqual(["Pull", "a"]);
        expect(await identities.inlinePolicyNames(user.id, { after: "a", limit: 2 })).toEqual(["push"]);
        expect(await identities.inlinePolicies(user.id)).toEqual([
          { name: "Pull", document: document("old") },
          { name: "a", document: document("old") },
          { name: "push", document: document("new") },
        ]);
        expect(await change(({ identities }) => identities.deleteInlinePolicy(user.id, "a"))).toBe(true);
        expect(await change(({ identities }) => identities.deleteInlinePolicy(user.id, "a"))).toBe(false);
      });

      test("attached, and whom a policy is attached to", async () => {
        const account = newAccountId();
        const { arn } = await makePolicy(account, "pull");
        const [anna, bert] = [
          await make(account, "user", "anna"),
          await make(account, "role", "bert", { boundary: arn }),
        ];
        const stranger = await make(newAccountId(), "user", "anna", { boundary: readOnly });
        const attach = ({ id }: Identity, policy: Arn) => change(({ identities }) => identities.attach(id, policy));
        expect(await attach(anna, arn)).toBe(true);
        expect(await attach(anna, arn)).toBe(false);
        for (const identity of [bert, anna, stranger]) expect(await attach(identity, readOnly)).toBe(true);
        const { identities } = read();
        expect(await identities.attached(anna.id, { limit: 9 })).toEqual([arn, readOnly]);
        expect(await identities.attached(anna.id, { limit: 1 })).toEqual([arn]);
        expect(await identities.attached(anna.id, { after: arn, limit: 1 })).toEqual([readOnly]);
        expect(await identities.attachedTo(account, readOnly, "permissions", { limit: 9 })).toEqual([anna, bert]);
        expect(await identities.attachedTo(account, readOnly, "permissions", { after: anna.id, limit: 9 })).toEqual([
          bert,
        ]);
        expect(await identities.attachedTo(account, arn, "boundary", { limit: 9 })).toEqual([bert]);
        expect(await identities.attachedTo(account, arn, "boundary", { after: bert.id, limit: 9 })).toEqual([]);
        expect(await identities.countAttached(readOnly, "permissions", account)).toBe(2);
        expect(await identities.countAttached(readOnly, "boundary", account)).toBe(0);
        expect(await identities.countAttached(arn, "boundary", account)).toBe(1);
        expect(await change(({ identities }) => identities.detach(anna.id, arn))).toBe(true);
        expect(await change(({ identities }) => identities.detach(anna.id, arn))).toBe(false);
      });

      test("of an account that are not there are not attached, nor made a boundary", async () => {
        const account = newAccountId();
        const user = await make(account, "user", "anna");
        const absent = iamArn(account, "policy", "/", "absent");
        const missing = { code: "NoSuchEntity" };
        await expect(change(({ identities }) => identities.attach(user.id, absent))).rejects.toMatchObject(missing);
        await expect(
          change(({ identities }) => identities.update(user.id, { boundary: absent })),
        ).rejects.toMatchObject(missing);
        await expect(make(account, "role", "role", { boundary: absent })).rejects.toMatchObject(missing);
      });

      test("a policy that is attached or a boundary cannot go, and never goes while it is being attached", async () => {
        const account = newAccountId();
        const [one, two] = [await makePolicy(account, "one"), await makePolicy(account, "two")];
        const user = await make(account, "user", "anna", { boundary: two.arn });
        await change(({ identities }) => identities.attach(user.id, one.arn));
        const remove = ({ id }: ManagedPolicy) => change(({ managedPolicies }) => managedPolicies.delete(id));
        await expect(remove(one)).rejects.toThrow();
        await expect(remove(two)).rejects.toThrow();
        expect(await read().managedPolicies.versions(one.id)).toHaveLength(1);
        for (let round = 0; round < 10; round++) {
          const policy = await makePolicy(account, `round-${round}`);
          await Promise.allSettled([
            remove(policy),
            change(({ identities }) => identities.attach(user.id, policy.arn)),
          ]);
          const isThere = (await read().managedPolicies.find(policy.arn)) !== undefined;
          const isAttached = (await read().identities.attached(user.id, { limit: 99 })).includes(policy.arn);
          expect(isThere).toBe(isAttached);
        }
      });

      test("all of them in one look", async () => {
        const account = newAccountId();
        const pull = await makePolicy(account, "pull", { defaultVersion: "v2", nextVersion: 3 });
        await change(({ managedPolicies }) => managedPolicies.addVersion(pull.id, version(2)));
        const limits = await makePolicy(account, "limits");
        const user = await make(account, "user", "anna", { boundary: limits.arn });
        const [first, second] = [await make(account, "group", "first"), await make(account, "group", "second")];
        await make(account, "group", "other");
        await change(async ({ identities }) => {
          await identities.join(first.id, user.id);
          await identities.join(second.id, user.id);
          for (const name of ["b", "a"]) await identities.putInlinePolicy(user.id, name, document(name));
          await identities.putInlinePolicy(second.id, "c", document("c"));
          for (const owner of [user, first]) await identities.attach(owner.id, readOnly);
          for (const owner of [user, second]) await identities.attach(owner.id, pull.arn);
        });
        const managed = [{ arn: pull.arn, document: document("v2") }, { arn: readOnly }];
        expect(await read().identities.withPolicies(user.uniqueId)).toEqual({
          identity: user,
          inline: [
            { name: "a", document: document("a") },
            { name: "b", document: document("b") },
          ],
          attached: managed,
          groups: [
            { group: first, inline: [], attached: [{ arn: readOnly }] },
            { group: second, inline: [{ name: "c", document: document("c") }], attached: managed.slice(0, 1) },
          ],
          boundary: { arn: limits.arn, document: document("v1") },
        });
        const role = await make(account, "role", "plain", { boundary: readOnly });
        expect(await read().identities.withPolicies(role.uniqueId)).toEqual({
          identity: role,
          inline: [],
          attached: [],
          groups: [],
          boundary: { arn: readOnly },
        });
        expect(await read().identities.withPolicies("AIDA0")).toBeUndefined();
      });

      test("go with whom they belong to, but not the access keys", async () => {
        const account = newAccountId();
        const { arn, id } = await makePolicy(account, "pull");
        const user = await make(account, "user", "anna", { boundary: arn });
        const key = newKey(user);
        await change(async ({ identities, accessKeys }) => {
          await identities.attach(user.id, arn);
          await identities.putInlinePolicy(user.id, "a", document("a"));
          await accessKeys.create(key);
        });
        await expect(change(({ identities }) => identities.delete(user.id))).rejects.toThrow();
        expect(await read().identities.inlinePolicies(user.id)).toHaveLength(1);
        await change(({ accessKeys }) => accessKeys.delete(key.accessKeyId));
        await change(({ identities }) => identities.delete(user.id));
        expect(await read().identities.ofUniqueId(user.uniqueId)).toBeUndefined();
        await change(({ managedPolicies }) => managedPolicies.delete(id));
        expect((await make(account, "user", "anna")).id).toBeGreaterThan(user.id);
      });
    });

    test("a user that gets a key, or is let into a group, stays or was gone before", async () => {
      const account = newAccountId();
      const group = await make(account, "group", "team");
      for (let round = 0; round < 10; round++) {
        const user = await make(account, "user", `round-${round}`);
        const key = newKey(user);
        const addKey = change(async ({ identities, accessKeys }) => {
          if (!(await identities.ofUniqueId(user.uniqueId))) throw new Error("gone");
          await accessKeys.create(key);
          await identities.join(group.id, user.id);
        });
        const remove = change(async ({ identities, accessKeys }) => {
          if ((await accessKeys.ofUser(user.id)).length > 0) throw new Error("has keys");
          await identities.delete(user.id);
        });
        const [added, removed] = await Promise.allSettled([addKey, remove]);
        // Whoever came second saw what the first had done, and said so.
        const reasons = [added, removed].flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
        expect(reasons).toHaveLength(1);
        expect(["gone", "has keys"]).toContain((reasons[0] as Error).message);
        const isThere = (await read().identities.ofUniqueId(user.uniqueId)) !== undefined;
        expect((await read().accessKeys.find(key.accessKeyId)) !== undefined).toBe(isThere);
        const members = names(await read().identities.membersOf(group.id, { limit: 99 }));
        expect(members.includes(user.name)).toBe(isThere);
      }
    });

    test("access keys", async () => {
      const user = await make(newAccountId(), "user", "anna", { tags: new Map([["a", "b"]]) });
      const use = { at: at(9), service: "ecr", region: "eu-west-1" };
      const [late, early] = [newKey(user, { createdAt: at(2) }), newKey(user, { createdAt: at(1), lastUsed: use })];
      for (const key of [late, early]) await change(({ accessKeys }) => accessKeys.create(key));
      await expect(change(({ accessKeys }) => accessKeys.create(late))).rejects.toThrow();
      const { find, findWithUser, ofUser } = read().accessKeys;
      expect(await find(late.accessKeyId)).toEqual(late);
      expect(await findWithUser(early.accessKeyId)).toEqual({ key: early, user });
      expect(await ofUser(user.id)).toEqual([early, late]);
      expect(await find("AKIA0")).toBeUndefined();
      expect(await findWithUser("AKIA0")).toBeUndefined();
      await change(({ accessKeys }) => accessKeys.setStatus(late.accessKeyId, "Inactive"));
      expect(await find(late.accessKeyId)).toEqual({ ...late, status: "Inactive" });
      const newer = { at: at(10), service: "sts", region: "us-east-1" };
      const older = { at: at(8), service: "iam", region: "us-east-1" };
      await change(({ accessKeys }) =>
        accessKeys.used(
          new Map([
            [late.accessKeyId, newer],
            [early.accessKeyId, older],
            ["AKIA0", newer],
          ]),
        ),
      );
      expect((await find(late.accessKeyId))?.lastUsed).toEqual(newer);
      expect((await find(early.accessKeyId))?.lastUsed).toEqual(use);
      expect(await change(({ accessKeys }) => accessKeys.delete(late.accessKeyId))).toBe(true);
      expect(await change(({ accessKeys }) => accessKeys.delete(late.accessKeyId))).toBe(false);
    });

    describe("managed policies", () => {
      test("are found as they were made, and their names are taken whatever the case", async () => {
        const account = newAccountId();
        const given = newPolicy(account, "Pull", { description: "d", path: "/ci/", tags: new Map([["a", "b"]]) });
        const made = await change(({ managedPolicies }) => managedPolicies.create(given, version(1)));
        expect(made).toEqual({ id: expect.any(Number), ...given });
        expect(await read().managedPolicies.find(given.arn)).toEqual(made);
        expect(await read().managedPolicies.find(readOnly)).toBeUndefined();
        const again = newPolicy(account, "pULL", { path: "/" });
        expect(await change(({ managedPolicies }) => managedPolicies.create(again, version(1)))).toBeUndefined();
        const answers = await Promise.all(
          ["x", "X"].map((name) =>
            change(({ managedPolicies }) => managedPolicies.create(newPolicy(account, name), version(1))),
          ),
        );
        expect(answers.filter((policy) => policy !== undefined)).toHaveLength(1);
      });

      test("have versions, newest first", async () => {
        const policy = await makePolicy(newAccountId(), "pull");
        await change(async ({ managedPolicies }) => {
          for (const number of [9, 10]) await managedPolicies.addVersion(policy.id, version(number, number));
          await managedPolicies.update(policy.id, { defaultVersion: "v10", nextVersion: 11, updatedAt: at(3) });
          await managedPolicies.update(policy.id, { tags: new Map([["c", "d"]]) });
          await managedPolicies.update(policy.id, {});
        });
        const changed = { defaultVersion: "v10", nextVersion: 11, updatedAt: at(3), tags: new Map([["c", "d"]]) };
        expect(await read().managedPolicies.find(policy.arn)).toEqual({ ...policy, ...changed });
        expect(await read().managedPolicies.versions(policy.id)).toEqual([version(10, 10), version(9, 9), version(1)]);
        expect(await read().managedPolicies.version(policy.id, "v9")).toEqual(version(9, 9));
        expect(await change(({ managedPolicies }) => managedPolicies.deleteVersion(policy.id, "v9"))).toBe(true);
        expect(await change(({ managedPolicies }) => managedPolicies.deleteVersion(policy.id, "v9"))).toBe(false);
        expect(await read().managedPolicies.version(policy.id, "v9")).toBeUndefined();
        await expect(
          change(({ managedPolicies }) => managedPolicies.addVersion(policy.id, version(10))),
        ).rejects.toThrow();
        await change(({ managedPolicies }) => managedPolicies.delete(policy.id));
        expect(await read().managedPolicies.find(policy.arn)).toBeUndefined();
        expect(await read().managedPolicies.versions(policy.id)).toEqual([]);
      });

      test("are listed by lower-case name, by path, and those in use", async () => {
        const account = newAccountId();
        const policies: ManagedPolicy[] = [];
        for (const name of ["b", "C", "a"])
          policies.push(await makePolicy(account, name, { path: name === "a" ? "/" : "/t/" }));
        const user = await make(account, "user", "anna");
        await change(({ identities }) => identities.attach(user.id, policies[1]?.arn ?? readOnly));
        const { list } = read().managedPolicies;
        expect(names(await list(account, { limit: 9 }))).toEqual(["a", "b", "C"]);
        expect(names(await list(account, { after: "a", limit: 1 }))).toEqual(["b"]);
        expect(names(await list(account, { limit: 9, pathPrefix: "/t/" }))).toEqual(["b", "C"]);
        expect(names(await list(account, { limit: 9, onlyAttached: true }))).toEqual(["C"]);
        expect(names(await list(newAccountId(), { limit: 9 }))).toEqual([]);
        expect(await read().managedPolicies.count(account)).toBe(3);
      });
    });

    test("OIDC providers", async () => {
      const account = newAccountId();
      const newProvider = (url: string): OidcProvider => ({
        account,
        arn: `arn:aws:iam::${account}:oidc-provider/${url}` as Arn,
        url,
        clientIds: ["sts.amazonaws.com"],
        thumbprints: ["0".repeat(40)],
        createdAt: at(1),
        tags: new Map([["a", "b"]]),
      });
      const [github, gitlab] = [newProvider("github.example"), newProvider("gitlab.example")];
      for (const provider of [gitlab, github]) {
        expect(await change(({ oidcProviders }) => oidcProviders.create(provider))).toBe(true);
        expect(await change(({ oidcProviders }) => oidcProviders.create(provider))).toBe(false);
      }
      expect(await read().oidcProviders.find(github.arn)).toEqual(github);
      expect(await read().oidcProviders.list(account)).toEqual([github, gitlab]);
      const changes = { clientIds: ["a", "b"], thumbprints: [], tags: none };
      await change(async ({ oidcProviders }) => {
        await oidcProviders.update(github.arn, changes);
        await oidcProviders.update(gitlab.arn, {});
      });
      expect(await read().oidcProviders.list(account)).toEqual([{ ...github, ...changes }, gitlab]);
      expect(await change(({ oidcProviders }) => oidcProviders.delete(github.arn))).toBe(true);
      expect(await change(({ oidcProviders }) => oidcProviders.delete(github.arn))).toBe(false);
      expect(await read().oidcProviders.find(github.arn)).toBeUndefined();
    });

    describe("the organization", () => {
      test("is one at the most", async () => {
        expect(await read().organizations.get()).toBeUndefined();
        const newOrganization = (id: string): Organization => ({
          id,
          rootId: "r-1",
          managementAccount: newAccountId(),
          createdAt: at(1),
          policyTypes: ["SERVICE_CONTROL_POLICY"],
        });
        const given = ["o-1", "o-2", "o-3"].map(newOrganization);
        const answers = await Promise.all(
          given.map((organization) => change(({ organizations }) => organizations.create(organization))),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
        const first = given[answers.indexOf(true)] as Organization;
        expect(await read().organizations.get()).toEqual(first);
        await change(({ organizations }) => organizations.setPolicyTypes(["RESOURCE_CONTROL_POLICY"]));
        expect(await read().organizations.get()).toEqual({ ...first, policyTypes: ["RESOURCE_CONTROL_POLICY"] });
      });

      test("has units", async () => {
        const parentId = `r-${next()}`;
        const [a, b] = [`ou-a${next()}`, `ou-b${next()}`].map((id) => ({ id, parentId, name: id }));
        if (!a || !b) throw new Error("two units");
        for (const unit of [b, a]) await change(({ organizations }) => organizations.putUnit(unit));
        expect(await read().organizations.unitsIn(parentId)).toEqual([a, b]);
        const renamed = { ...a, name: "renamed" };
        await change(({ organizations }) => organizations.putUnit(renamed));
        expect(await read().organizations.unit(a.id)).toEqual(renamed);
        await change(({ organizations }) => organizations.deleteUnit(a.id));
        expect(await read().organizations.unit(a.id)).toBeUndefined();
        expect(await read().organizations.unitsIn(parentId)).toEqual([b]);
      });

      test("has policies on roots, units and accounts", async () => {
        const newPolicy = (id: string, type: OrganizationPolicy["type"]): OrganizationPolicy => ({
          id,
          type,
          name: id,
          description: "",
          document: document(id),
        });
        const [a, b] = [newPolicy("p-a", "SERVICE_CONTROL_POLICY"), newPolicy("p-b", "SERVICE_CONTROL_POLICY")];
        const resources = newPolicy("p-c", "RESOURCE_CONTROL_POLICY");
        for (const policy of [b, a, resources]) await change(({ organizations }) => organizations.putPolicy(policy));
        const target = `ou-${next()}`;
        const attach = (policyId: string, targetId = target) =>
          change(({ organizations }) => organizations.attach(policyId, targetId));
        expect(await attach("p-b")).toBe(true);
        expect(await attach("p-b")).toBe(false);
        for (const id of ["p-a", "p-c"]) await attach(id);
        await attach("p-a", "r-0");
        const { attached, targetsOf, policy, policies } = read().organizations;
        expect(await attached(target)).toEqual([a, b, resources]);
        expect(await targetsOf("p-a")).toEqual([target, "r-0"]);
        expect(await policies("SERVICE_CONTROL_POLICY")).toEqual([a, b]);
        const changed = { ...a, name: "n", description: "d", document: "{}" };
        await change(({ organizations }) => organizations.putPolicy(changed));
        expect(await policy("p-a")).toEqual(changed);
        expect(await change(({ organizations }) => organizations.detach("p-b", target))).toBe(true);
        expect(await change(({ organizations }) => organizations.detach("p-b", target))).toBe(false);
        await change(({ organizations }) => organizations.deletePolicy("p-a"));
        expect(await attached(target)).toEqual([resources]);
        expect(await policy("p-a")).toBeUndefined();
        await expect(attach("p-absent")).rejects.toThrow();
        await change(({ organizations }) => organizations.deleteUnit(target));
        expect(await attached(target)).toEqual([]);
      });

      test("goes with all that it has, and another may come", async () => {
        const managementAccount = newAccountId();
        const organization: Organization = {
          id: "o-9",
          rootId: "r-9",
          managementAccount,
          createdAt: at(2),
          policyTypes: [],
        };
        await change(async ({ organizations }) => {
          await organizations.putUnit({ id: "ou-9", parentId: "r-9", name: "nine" });
          await organizations.delete();
        });
        const { get, policies, targetsOf, unit } = read().organizations;
        expect(await get()).toBeUndefined();
        expect(await unit("ou-9")).toBeUndefined();
        expect([await policies("RESOURCE_CONTROL_POLICY"), await targetsOf("p-c")]).toEqual([[], []]);
        expect(await change(({ organizations }) => organizations.create(organization))).toBe(true);
      });
    });
  });
}
