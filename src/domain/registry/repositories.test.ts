import { afterEach, beforeEach, expect, test } from "bun:test";
import type { AllMetadata } from "../../storage/metadata/metadata.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import type { Granted, PrincipalDirectory } from "../access.ts";
import type { Registry, RepositoryName } from "../names.ts";
import { decisionParts, rootAccess } from "../testing.ts";
import { createPolicies } from "./policies.ts";
import { createRepositories } from "./repositories.ts";
import { createScanning } from "./scanning.ts";

const registry = { account: "000000000000", region: "us-east-1" } as Registry;
const granted = { registry } as Granted;
const name = "app" as RepositoryName;
const policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}}';

let metadata: AllMetadata;
beforeEach(async () => {
  metadata = await openSqlite({ path: ":memory:" });
});
afterEach(() => metadata.close());

/** Between what a transaction reads and what it writes, another one commits, as PostgreSQL lets it. */
function interrupted(change: Parameters<AllMetadata["transact"]>[0]): AllMetadata {
  return {
    ...metadata,
    transact: (work, options) =>
      metadata.transact(async (nouns) => {
        const { repositories } = nouns;
        const find: typeof repositories.find = async (...asked) => {
          const found = await repositories.find(...asked);
          await change(nouns);
          return found;
        };
        return work({ ...nouns, repositories: { ...repositories, find } });
      }, options),
  };
}

test("a policy that is taken away meanwhile does not come back with another setting, nor the other way round", async () => {
  const parts = { ...decisionParts(metadata), clock: () => new Date() };
  const { id } = await createRepositories({ metadata, ...parts }).create(granted, { name });
  const stored = { policy, policyBindings: new Map() };
  await metadata.transact(({ repositories }) => repositories.update(id, stored));

  const withoutPolicy = interrupted(({ repositories }) =>
    repositories.update(id, { policy: undefined, policyBindings: undefined }),
  );
  await createScanning({ metadata: withoutPolicy, ...parts }).setOnPush(granted, name, true);
  const found = await metadata.read.repositories.find(registry, name);
  expect([found?.policy, found?.scanOnPush]).toEqual([undefined, true]);

  await metadata.transact(({ repositories }) => repositories.update(id, stored));
  const immutable = interrupted(({ repositories }) => repositories.update(id, { tagMutability: "IMMUTABLE" }));
  const directory = {} as PrincipalDirectory;
  const policies = createPolicies({ metadata: immutable, directory, ...parts, accessOver: () => rootAccess() });
  await policies.deleteRepositoryPolicy(granted, name);
  const after = await metadata.read.repositories.find(registry, name);
  expect([after?.policy, after?.tagMutability, after?.scanOnPush]).toEqual([undefined, "IMMUTABLE", true]);
});
