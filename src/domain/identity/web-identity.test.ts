import { afterEach, expect, test } from "bun:test";
import type { Arn } from "../names.ts";
import { account, identityWorld } from "./testing.ts";
import { claimsForSession } from "./web-identity.ts";

type World = Awaited<ReturnType<typeof identityWorld>>;
let world: World;
afterEach(() => world.close());

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const role = `arn:aws:iam::${account}:role/deploy` as Arn;

/** What is known of a token whose signature is good: an issuer that nobody can run in a test. */
async function verify(url: string, claims: object, clientIds = ["sts.amazonaws.com"]) {
  const exp = Date.parse("2026-10-04T10:20:00Z") / 1000;
  const body = { iss: `https://${url}`, sub: "me", aud: "sts.amazonaws.com", exp, ...claims };
  const payload = Buffer.from(JSON.stringify(body));
  world = await identityWorld({ issuerKeys: { verify: async () => ({ state: "good", payload }) } });
  const arn = `arn:aws:iam::${account}:oidc-provider/${url}` as Arn;
  const provider = { account, arn, url, clientIds, thumbprints: [], createdAt: world.clock(), tags: new Map() };
  await world.change(({ oidcProviders }) => oidcProviders.create(provider));
  return world.webIdentities.verify(`${encode({ alg: "RS256" })}.${encode(body)}.x`, role);
}

test("claims become condition keys of their issuer, in lower case", async () => {
  const { kind, account, userId, session } = await verify("Gitlab.example.com/Self", {
    project_path: "a/b",
    Ref: "main",
    groups: ["x", "y"],
    count: 7,
    nested: { a: "b" },
    mixed: ["x", 1],
    "https://example.com/claim": "x",
    long: "x".repeat(3000),
  });
  expect([kind, account as string, userId]).toEqual([
    "web-identity",
    "",
    "Gitlab.example.com/Self:sts.amazonaws.com:me",
  ]);
  const prefix = "gitlab.example.com/self:";
  expect(session?.claims).toEqual({
    [`${prefix}iss`]: "https://Gitlab.example.com/Self",
    [`${prefix}sub`]: "me",
    [`${prefix}aud`]: "sts.amazonaws.com",
    [`${prefix}project_path`]: "a/b",
    [`${prefix}ref`]: "main",
    [`${prefix}groups`]: ["x", "y"],
  });
  expect(claimsForSession(session?.claims)).toEqual({
    [`${prefix}sub`]: "me",
    [`${prefix}aud`]: "sts.amazonaws.com",
  });
});

test("a provider that is called as AWS's own keys are speaks for nobody", async () => {
  const { session } = await verify("aws", { PrincipalArn: "arn:aws:iam::111122223333:role/admin", username: "root" });
  expect(session?.claims).toEqual({});
});

test("a claim that differs from another in its case only does not take its place", async () => {
  for (const claims of [
    { sub: "me", SUB: "admin", ref: "a", Ref: "b", AUD: "x" },
    { SUB: "admin", Ref: "b", AUD: "x", sub: "me", ref: "a" },
  ]) {
    const { session } = await verify("idp.example.com", claims);
    expect(session?.claims).toMatchObject({
      "idp.example.com:sub": "me",
      "idp.example.com:ref": "a",
      "idp.example.com:aud": "sts.amazonaws.com",
    });
  }
});

test("a token that names an authorized party is for that one", async () => {
  const { session } = await verify("idp.example.com", { aud: ["a", "b"], azp: "client" }, ["client"]);
  expect(session?.claims?.["idp.example.com:aud"]).toBe("client");
});

test("a session keeps no claim that would not fit into its token", async () => {
  const { session } = await verify("idp.example.com", { amr: Array(50).fill("x".repeat(100)) });
  expect(Object.keys(claimsForSession(session?.claims) ?? {})).toEqual(["idp.example.com:sub", "idp.example.com:aud"]);
  await world.close();
  await expect(verify("idp.example.com", { sub: "x".repeat(256) })).rejects.toThrow("sub is longer than 255");
});
