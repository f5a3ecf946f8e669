import { describe, expect, test } from "bun:test";
import type { PrincipalDirectory } from "./access.ts";
import { bindPrincipals, showPrincipals } from "./bindings.ts";
import type { Arn } from "./names.ts";

const ci = "arn:aws:iam::111122223333:user/ci";
const session = "arn:aws:sts::111122223333:assumed-role/build/main";

function directory(names: Record<string, string>): PrincipalDirectory {
  return {
    resolve: async () => new Map(),
    nameOf: async (uniqueId) => names[uniqueId] as Arn | undefined,
  };
}

function policy(...principals: string[]): string {
  return JSON.stringify({ Statement: { Effect: "Allow", Principal: { AWS: principals }, Action: "*" } }, null, 2);
}

test("a policy is bound to the users and roles that it names, and tells whom nobody knows", async () => {
  const known: PrincipalDirectory = {
    resolve: async (arns) => new Map(arns.map((arn) => [arn, arn === ci ? "AIDACI" : undefined])),
    nameOf: async () => undefined,
  };
  const nobody = "arn:aws:iam::111122223333:role/nobody";
  const { bindings, unknown } = await bindPrincipals(policy(ci, nobody, "111122223333", "*"), known);
  expect(bindings).toEqual(new Map([[ci, "AIDACI"]]));
  expect(unknown).toEqual([nobody]);
});

describe("a stored policy as its reader sees it", () => {
  test("is what was written while everybody is there", async () => {
    const text = policy(ci, session);
    const bindings = new Map([
      [ci, "AIDACI"],
      [session, "AROABUILD"],
    ]);
    const names = { AIDACI: ci, AROABUILD: "arn:aws:iam::111122223333:role/build" };
    expect(await showPrincipals(text, bindings, directory(names))).toBe(text);
  });

  test("names whoever is gone by unique id, and whoever was renamed by today's name", async () => {
    const bindings = new Map([
      [ci, "AIDACI"],
      ["arn:aws:iam::111122223333:user/ann", "AIDAANN"],
    ]);
    const names = { AIDAANN: "arn:aws:iam::111122223333:user/anna" };
    const shown = await showPrincipals(
      policy(ci, "arn:aws:iam::111122223333:user/ann", "111122223333"),
      bindings,
      directory(names),
    );
    expect(JSON.parse(shown).Statement.Principal.AWS).toEqual([
      "AIDACI",
      "arn:aws:iam::111122223333:user/anna",
      "111122223333",
    ]);
  });
});
