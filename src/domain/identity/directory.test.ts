import { afterAll, beforeAll, expect, test } from "bun:test";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import type { AccountId } from "../names.ts";
import { createPrincipalDirectory } from "./directory.ts";

const account = "111122223333" as AccountId;
let metadata: Awaited<ReturnType<typeof openSqlite>>;
beforeAll(async () => {
  metadata = await openSqlite({ path: ":memory:" });
  await metadata.transact(async ({ identities }) => {
    const common = { account, createdAt: new Date(0), tags: new Map() };
    await identities.create({ ...common, kind: "user", path: "/team/", name: "Ci", uniqueId: "AIDACI" });
    await identities.create({ ...common, kind: "role", path: "/", name: "build", uniqueId: "AROABUILD" });
    await identities.create({ ...common, kind: "group", path: "/", name: "team", uniqueId: "AGPATEAM" });
  });
});
afterAll(() => metadata.close());

test.each([
  [`arn:aws:iam::${account}:user/team/Ci`, "AIDACI"],
  [`arn:aws:iam::${account}:user/team/ci`, undefined],
  [`arn:aws:iam::${account}:user/Ci`, undefined],
  [`arn:aws:iam::999999999999:user/team/Ci`, undefined],
  [`arn:aws:iam::${account}:role/build`, "AROABUILD"],
  [`arn:aws:iam::${account}:role/Build`, undefined],
  [`arn:aws:iam::${account}:user/build`, undefined],
  [`arn:aws:sts::${account}:assumed-role/build/session`, "AROABUILD"],
  [`arn:aws:sts::${account}:assumed-role/nobody/session`, undefined],
])("%s means %p", async (arn, uniqueId) => {
  const ids = await createPrincipalDirectory({ metadata }).resolve([arn, arn]);
  expect([...ids]).toEqual([[arn, uniqueId]]);
});

test.each([[`arn:aws:iam::${account}:root`], [`arn:aws:sts::${account}:federated-user/bob`], [account], ["*"]])(
  "%s has no unique id",
  async (principal) => {
    expect(await createPrincipalDirectory({ metadata }).resolve([principal])).toEqual(new Map());
  },
);

test("a unique id has today's ARN", async () => {
  const { nameOf } = createPrincipalDirectory({ metadata });
  expect(String(await nameOf("AIDACI"))).toBe(`arn:aws:iam::${account}:user/team/Ci`);
  expect(await nameOf("AIDAGONE")).toBeUndefined();
});
