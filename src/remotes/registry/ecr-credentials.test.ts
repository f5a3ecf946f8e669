import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { account, type InProcess, inProcess, keyPair, region } from "../../../test/support/berth.ts";
import type { EcrAccess } from "../../domain/registry/remote-registry.ts";
import { createRemotes } from "./index.ts";
import { createPlayground, failureOf, onThisMachine, signal } from "./testing.ts";

const play = createPlayground();
const keys = async () => keyPair;

function credentials(access: Partial<EcrAccess> & { readonly endpoint: string }, clock = () => new Date()) {
  return createRemotes({ clock }).ecrCredentials({ region, keys, reach: onThisMachine, ...access });
}

describe("against another Berth", () => {
  let berth: InProcess;
  beforeAll(async () => {
    berth = await inProcess();
  });
  afterAll(() => berth.close());

  /** Its API and its registry on one port, as anywhere. */
  function listening() {
    const arrival = () => ({
      requestId: crypto.randomUUID(),
      sourceIp: "127.0.0.1",
      secureTransport: false,
      note: () => {},
    });
    return play.serve((request, url) =>
      url.pathname.startsWith("/v2")
        ? berth.surfaces.registry(request, arrival())
        : berth.surfaces.api(request, arrival()),
    );
  }

  test("keys give a password that opens the registry, and is used again", async () => {
    const { origin, asked } = listening();
    const remote = play.open({ origin, credentials: credentials({ endpoint: origin }) });
    await remote.ping({ signal });
    await remote.ping({ signal });
    expect(asked.filter(({ path }) => path === "/").length).toBe(1);
  });

  test("a role is assumed first", async () => {
    const { origin } = listening();
    const name = "puller";
    const policy = (statement: object) => JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
    const trust = policy({ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" });
    await berth.iam().send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }));
    const allowed = policy({ Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" });
    await berth.iam().send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "pull", PolicyDocument: allowed }));
    const role = { arn: `arn:aws:iam::${account}:role/${name}`, stsEndpoint: origin };
    const remote = play.open({ origin, credentials: credentials({ endpoint: origin, role }) });
    await remote.ping({ signal });
    const records = await berth.records();
    const issued = records.filter(({ eventName }) => eventName === "GetAuthorizationToken").at(-1);
    expect(issued?.userIdentity.arn).toBe(`arn:aws:sts::${account}:assumed-role/${name}/berth`);
    const nobody = { ...role, arn: `${role.arn}-that-is-not` };
    const failure = await failureOf(credentials({ endpoint: origin, role: nobody }).read({ again: false }));
    expect(failure).toMatchObject({ problem: "denied" });
    expect(failure.message).toContain("refused AssumeRole");
  });

  test("wrong keys are denied, and not shown", async () => {
    const { origin } = listening();
    const wrong = async () => ({ ...keyPair, secretAccessKey: "a-wrong-secret-key" });
    const failure = await failureOf(credentials({ endpoint: origin, keys: wrong }).read({ again: false }));
    expect(failure.problem).toBe("denied");
    expect(failure.message).not.toContain("a-wrong-secret-key");
  });
});

describe("a password", () => {
  const start = Date.parse("2026-01-01T00:00:00Z");
  const tokenOf = (text: string, expiresAt: unknown) => ({
    authorizationData: [{ authorizationToken: btoa(text), expiresAt }],
  });

  test("is renewed before it expires, once by many, and when it is asked for again", async () => {
    let now = new Date(start);
    let count = 0;
    const { origin } = play.serve(() => Response.json(tokenOf(`AWS:p${++count}`, now.getTime() / 1000 + 12 * 3600)));
    const again: boolean[] = [];
    const asked = async (options: { again: boolean }) => {
      again.push(options.again);
      return keyPair;
    };
    const found = credentials({ endpoint: origin, keys: asked }, () => now);
    const read = async (options = { again: false }) => (await found.read(options))?.password;
    expect(await Promise.all([read(), read(), read()])).toEqual(["p1", "p1", "p1"]);
    now = new Date(start + 11.4 * 3600_000);
    expect(await read()).toBe("p1");
    now = new Date(start + 11.6 * 3600_000);
    expect(await read()).toBe("p2");
    expect(await read({ again: true })).toBe("p3");
    expect(await read()).toBe("p3");
    expect(again).toEqual([false, false, true]);
  });

  test.each<[string, () => Response, string]>([
    ["none", () => Response.json({}), "nonsense"],
    ["an empty list", () => Response.json({ authorizationData: [] }), "nonsense"],
    ["no user", () => Response.json(tokenOf(":p", 1)), "nonsense"],
    ["no time", () => Response.json(tokenOf("AWS:p", "soon")), "nonsense"],
    ["a line break", () => Response.json(tokenOf("AWS:p\r\nx", 1)), "nonsense"],
    ["a page", () => new Response("<html>"), "nonsense"],
    ["too much", () => new Response("x".repeat(300_000)), "nonsense"],
    ["a redirect", () => new Response("", { status: 307, headers: { location: "http://127.0.0.1:1/" } }), "nonsense"],
    ["that it has no time", () => Response.json({ __type: "ThrottlingException" }, { status: 400 }), "throttled"],
    ["an error of its own", () => new Response("", { status: 500 }), "unavailable"],
    ["no", () => Response.json({ __type: "x#AccessDeniedException" }, { status: 400 }), "denied"],
  ])("is not to be had from an API that answers %s", async (_, answer, problem) => {
    const { origin, asked } = play.serve(answer);
    expect((await failureOf(credentials({ endpoint: origin }).read({ again: false }))).problem).toBe(problem as never);
    expect(asked.length).toBe(1);
  });

  test("that could not be had is asked for by the next who wants it", async () => {
    let isThere = false;
    const { origin } = play.serve(() =>
      isThere ? Response.json(tokenOf("AWS:p", Date.now() / 1000 + 3600)) : new Response("", { status: 500 }),
    );
    const found = credentials({ endpoint: origin });
    await failureOf(found.read({ again: false }));
    isThere = true;
    expect(await found.read({ again: false })).toMatchObject({ user: "AWS", password: "p" });
  });

  test("is not asked for at an address that is out of reach", async () => {
    const { origin, asked } = play.serve(() => new Response());
    for (const access of [
      { endpoint: origin, reach: { private: false, loopback: false, insecure: true } },
      { endpoint: `${origin}/elsewhere` },
      { endpoint: "x" },
    ])
      expect((await failureOf(credentials(access).read({ again: false }))).problem).toBe("out-of-bounds");
    expect(asked).toEqual([]);
  });
});
