import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import { CreateAccountCommand, CreateOrganizationCommand } from "@aws-sdk/client-organizations";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { allOperations } from "../../src/aws/index.ts";
import { permissions } from "../../src/oci/permissions.ts";
import { account, type InProcess, inProcess } from "../support/berth.ts";
import { apiRows, decidedOtherwise } from "./api-rows.ts";
import { type Auth, call, type Outcome } from "./calls.ts";
import {
  allowElsewhere,
  allowExactly,
  type Cast,
  certificateIdentities,
  denyOne,
  makeCast,
  passwordOf,
  resourceOf,
} from "./principals.ts";
import { dataRows, elsewhere, type Row, repository, undecidedRoutes } from "./rows.ts";

/** Every route and every operation × every kind of caller. */

const rows: readonly Row[] = [...dataRows, ...apiRows];
let berth: InProcess;
let cast: Cast;

beforeAll(async () => {
  berth = await inProcess({ certificateIdentities });
  for (const repositoryName of [repository, elsewhere]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  }
  await berth.pushImage(repository, "v1", "matrix");
  cast = await makeCast(berth, await otherAccount());
});
afterAll(() => berth.close());

async function otherAccount(): Promise<{ id: string; admin: Auth }> {
  const organizations = berth.organizations();
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: "ALL" }));
  const create = new CreateAccountCommand({ AccountName: "other", Email: "other@berth.test" });
  const id = (await organizations.send(create)).CreateAccountStatus?.AccountId ?? "";
  const RoleArn = `arn:aws:iam::${id}:role/OrganizationAccountAccessRole`;
  const assume = new AssumeRoleCommand({ RoleArn, RoleSessionName: "matrix", DurationSeconds: 3600 });
  const { Credentials } = await berth.sts().send(assume);
  const keys = {
    accessKeyId: Credentials?.AccessKeyId ?? "",
    secret: Credentials?.SecretAccessKey ?? "",
    sessionToken: Credentials?.SessionToken ?? "",
  };
  return { id, admin: { ...keys, password: await passwordOf(berth, keys) } };
}

test("no route and no operation is without its row", async () => {
  const covered = new Set([...rows.map(({ covers }) => covers), ...decidedOtherwise]);
  expect(Object.keys(permissions).filter((kind) => !covered.has(kind) && !undecidedRoutes.includes(kind))).toEqual([]);
  const operations = (await allOperations()).map(({ service, operation }) => `${service}:${operation}`);
  expect(operations.filter((name) => !covered.has(name))).toEqual([]);
});

const isHead = ({ request }: Row) => request.kind === "data" && request.method === "HEAD";

/** A refusal that names one of the actions, the resource and the reason; an answer to HEAD can only be refused. */
function expectDenied(outcome: Outcome, row: Row, reason: string, actions = row.actions): void {
  expect(outcome.kind).toBe("denied");
  if (isHead(row)) return;
  const resource = row.namesItsResource === false ? "" : `${resourceOf(row, account)} `;
  const named = actions.some((action) => {
    const sentence = `is not authorized to perform: ${action} on resource: ${resource}`;
    return outcome.text.includes(sentence) && outcome.text.includes(reason.replace("{action}", action));
  });
  expect(named ? "" : outcome.text).toBe("");
}

describe.each(rows.map((row) => [row.name, row] as const))("%s", (_name, row) => {
  const ask = (auth?: Auth) => call(berth, row, account, auth);

  test("anonymous", async () => {
    expect((await ask()).kind).toBe("unauthenticated");
  });

  test("no policy", async () => {
    expectDenied(await ask(cast.noPolicy), row, "because no identity-based policy allows the {action} action");
  });

  test("an explicit deny of any one action beats an allow of everything", async () => {
    for (const action of row.actions) {
      await denyOne(berth, cast.denied, row, action);
      expectDenied(await ask(cast.denied), row, "with an explicit deny in an identity-based policy", [action]);
    }
  });

  test("another resource", async () => {
    await allowElsewhere(berth, cast.elsewhere, row);
    expectDenied(await ask(cast.elsewhere), row, "because no identity-based policy allows the {action} action");
  });

  test("a session that its policy limits", async () => {
    const outcome = await ask(cast.limited);
    // The one thing that its policy lets it do, or it could not log in either.
    if (row.covers === "ecr:GetAuthorizationToken") expect(outcome.kind).toBe("passed");
    else
      expectDenied(
        outcome,
        row,
        row.onlyFor === "long-term keys" ? "" : "because no session policy allows the {action} action",
      );
  });

  test("an expired session", async () => {
    expect((await ask(cast.expired)).kind).toBe("expired");
  });

  test("a disabled key", async () => {
    expect((await ask(cast.disabledKey)).kind).toBe("unauthenticated");
  });

  test("a client certificate", async () => {
    const { unknown, noPolicy, allowed } = cast.certified;
    // It signs nothing, which is what the APIs ask for.
    const isData = row.request.kind === "data";
    expect((await ask(unknown)).kind).toBe("unauthenticated");
    const refused = await ask(noPolicy);
    if (isData) expectDenied(refused, row, "because no identity-based policy allows the {action} action");
    else expect(refused.kind).toBe("unauthenticated");
    await allowExactly(berth, cast.allowed, row);
    expect((await ask(allowed)).kind).toBe(isData ? "passed" : "unauthenticated");
  });

  test("another account", async () => {
    const outcome = await ask(cast.stranger);
    if (row.crossAccount) {
      expectDenied(outcome, row, "because no resource-based policy allows the {action} action");
      return;
    }
    // It reaches what is its own, and no word of what this account has comes back.
    expect(outcome.kind).toBe(row.onlyFor === undefined ? "passed" : "denied");
    const others = new RegExp(
      `arn:aws:(?:iam::${account}:(?:user|group|role|policy|oidc-provider)/|(?:ecr|kms|secretsmanager):[^:]*:${account}:)`,
    );
    expect(outcome.text.replaceAll(resourceOf(row, account), "")).not.toMatch(others);
  });

  test("exactly what is needed", async () => {
    await allowExactly(berth, cast.allowed, row);
    const outcome = await ask(cast.allowed);
    expect([outcome.kind, outcome.kind === "passed" ? "" : outcome.text]).toEqual(["passed", ""]);
  });
});
