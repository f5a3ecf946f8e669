import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  GetAuthorizationTokenCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import { account, basic, digestOf, host, type InProcess, inProcess, keyPair } from "./support/berth.ts";
import { allow } from "./support/people.ts";

const toPull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];
const forEverybody = (actions: string | string[], more: object = {}) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: "*", Action: actions, ...more },
  });
const layer = "layer";
const layerDigest = digestOf(layer);

/** Every route of the data plane. */
const routes = (name: string) =>
  [
    ["GET", "/v2/"],
    ["GET", "/v2/_catalog"],
    ["GET", `/v2/${name}/manifests/1`],
    ["HEAD", `/v2/${name}/manifests/1`],
    ["PUT", `/v2/${name}/manifests/1`],
    ["DELETE", `/v2/${name}/manifests/1`],
    ["GET", `/v2/${name}/blobs/${layerDigest}`],
    ["HEAD", `/v2/${name}/blobs/${layerDigest}`],
    ["DELETE", `/v2/${name}/blobs/${layerDigest}`],
    ["POST", `/v2/${name}/blobs/uploads/`],
    ["POST", `/v2/${name}/blobs/uploads/?digest=${layerDigest}`],
    ["POST", `/v2/${name}/blobs/uploads/?mount=${layerDigest}&from=${name}`],
    ["GET", `/v2/${name}/blobs/uploads/${crypto.randomUUID()}`],
    ["PATCH", `/v2/${name}/blobs/uploads/${crypto.randomUUID()}`],
    ["PUT", `/v2/${name}/blobs/uploads/${crypto.randomUUID()}?digest=${layerDigest}`],
    ["DELETE", `/v2/${name}/blobs/uploads/${crypto.randomUUID()}`],
    ["GET", `/v2/${name}/tags/list`],
    ["GET", `/v2/${name}/_berth/tags/1/history`],
    ["GET", `/v2/${name}/referrers/${layerDigest}`],
    ["GET", "/v2/what/is/this"],
  ] as const;

async function withRepositories(berth: InProcess) {
  for (const repositoryName of ["open", "closed"]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
    await berth.pushImage(repositoryName, "1", layer);
  }
  const policyText = forEverybody(toPull);
  await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: "open", policyText }));
  return berth;
}

// biome-ignore lint/suspicious/noExplicitAny: an answer that a test looks into
const bodyOf = (answer: Response): Promise<any> => answer.json();

describe("without public access", () => {
  let berth: InProcess;
  beforeAll(async () => {
    berth = await withRepositories(await inProcess());
  });
  afterAll(() => berth.close());

  test("no route answers anything but ECR's challenge, whatever policies say and whatever is there", async () => {
    const headers = { authorization: "Bearer abc" };
    for (const name of ["open", "closed", "nowhere"]) {
      for (const [method, path] of [...routes(name), ["GET", "/v2/token"], ["POST", "/v2/token"]] as const) {
        for (const init of [{}, { headers }]) {
          const answer = await berth.send(method, path, init);
          expect(answer.status).toBe(401);
          expect(answer.headers.get("www-authenticate")).toBe(
            `Basic realm="http://${host}/",service="ecr.amazonaws.com"`,
          );
          if (method !== "HEAD") expect(await answer.text()).toBe("Not Authorized\n");
        }
      }
    }
  });

  test("there is no token to be had", async () => {
    expect((await berth.oci("GET", "/v2/token")).status).toBe(404);
  });
});

describe("with public access", () => {
  let berth: InProcess;
  beforeAll(async () => {
    berth = await withRepositories(await inProcess({ publicAccess: true }));
  });
  afterAll(() => berth.close());

  const ask = (query: string, headers = {}) => berth.send("GET", `/v2/token?service=${host}${query}`, { headers });
  const tokenFor = async (scope: string, headers = {}): Promise<string> =>
    (await bodyOf(await ask(`&scope=${encodeURIComponent(scope)}`, headers))).token;
  const as = (token: string, method: string, path: string, body?: string) =>
    berth.send(method, path, { headers: { authorization: `Bearer ${token}` }, body });
  const pull = async (token: string, name: string) => [
    (await as(token, "GET", `/v2/${name}/manifests/1`)).status,
    (await as(token, "GET", `/v2/${name}/blobs/${layerDigest}`)).status,
  ];
  const everything = "pull,push,delete";

  test("no route answers without a token, and the challenge repeats only what was asked", async () => {
    for (const name of ["open", "closed", "nowhere"]) {
      for (const [method, path] of routes(name)) {
        const answer = await berth.send(method, path);
        expect(answer.status).toBe(401);
        expect(answer.headers.get("www-authenticate")).toStartWith(
          `Bearer realm="http://${host}/v2/token",service="${host}"`,
        );
      }
    }
    const challenge = async (path: string) => (await berth.send("GET", path)).headers.get("www-authenticate");
    expect(await challenge("/v2/closed/manifests/1")).toEndWith(',scope="repository:closed:pull"');
    expect(await challenge("/v2/nowhere/manifests/1")).toEndWith(',scope="repository:nowhere:pull"');
    expect(await challenge("/v2/")).not.toContain("scope");
  });

  test("an anonymous pull works where a policy lets everybody in, and nowhere else", async () => {
    for (const [name, statuses] of [
      ["open", [200, 200]],
      ["closed", [403, 403]],
      ["nowhere", [403, 403]],
    ] as const) {
      expect(await pull(await tokenFor(`repository:${name}:pull`), name)).toEqual([...statuses]);
    }
  });

  test("anonymous on any route is told the same of what is there and of what is not", async () => {
    const said = async (name: string) => {
      const token = await tokenFor(`repository:${name}:${everything}`);
      const answers: string[] = [];
      for (const [method, path] of routes(name)) {
        if (!path.startsWith(`/v2/${name}/`)) continue;
        const answer = await as(token, method, path);
        answers.push(`${answer.status} ${(await answer.text()).replaceAll(name, "NAME")}`);
        expect(answer.status).toBe(403);
      }
      return answers;
    };
    expect(await said("closed")).toEqual(await said("nowhere"));
  });

  test("the catalog shows anonymous only what everybody may see", async () => {
    const token = await tokenFor("registry:catalog:*");
    const catalog = async () => (await bodyOf(await as(token, "GET", "/v2/_catalog"))).repositories;
    expect(await catalog()).toEqual([]);
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "listed" }));
    const policyText = forEverybody("ecr:DescribeRepositories");
    await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: "listed", policyText }));
    expect(await catalog()).toEqual(["listed"]);
  });

  test("anonymous may push only where everybody may, and a condition holds for it too", async () => {
    const begin = (token: string, name: string) => as(token, "POST", `/v2/${name}/blobs/uploads/`);
    expect((await begin(await tokenFor("repository:open:pull,push"), "open")).status).toBe(403);
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "inside" }));
    const near = { Condition: { IpAddress: { "aws:SourceIp": "192.0.2.0/24" } } };
    const policyText = forEverybody(toPull, near);
    await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: "inside", policyText }));
    await berth.pushImage("inside", "1", layer);
    expect(await pull(await tokenFor("repository:inside:pull"), "inside")).toEqual([403, 403]);
  });

  test("a policy for everybody who has an ARN is not for anonymous", async () => {
    for (const [index, condition] of [
      { StringLike: { "aws:PrincipalArn": "*" } },
      { Null: { "aws:PrincipalArn": "false" } },
      { Null: { "aws:PrincipalAccount": "false" } },
    ].entries()) {
      const name = `signed-${index}`;
      await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: name }));
      const policyText = forEverybody(toPull, { Condition: condition });
      await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: name, policyText }));
      await berth.pushImage(name, "1", layer);
      expect(await pull(await tokenFor(`repository:${name}:pull`), name)).toEqual([403, 403]);
      const user = await berth.crowd.user(account, `reader-${index}`);
      expect((await berth.ociAs(user, "GET", `/v2/${name}/manifests/1`)).status).toBe(200);
    }
  });

  test("a token opens what it was asked for, and a client is told to ask anew for the rest", async () => {
    const token = await tokenFor("repository:open:pull");
    for (const [method, path, scope] of [
      ["GET", "/v2/closed/manifests/1", "repository:closed:pull"],
      ["POST", "/v2/open/blobs/uploads/", "repository:open:pull,push"],
      ["DELETE", "/v2/open/manifests/1", "repository:open:delete"],
      ["GET", "/v2/_catalog", "registry:catalog:*"],
    ] as const) {
      const answer = await as(token, method, path);
      expect(answer.status).toBe(401);
      const challenge = answer.headers.get("www-authenticate");
      expect(challenge).toEndWith(`,scope="${scope}",error="insufficient_scope"`);
    }
    expect((await as(token, "GET", "/v2/")).status).toBe(200);
  });

  test("a token is for whoever signed in: with a key pair, or with a password of GetAuthorizationToken", async () => {
    const { authorizationData } = await berth.ecr().send(new GetAuthorizationTokenCommand({}));
    const password = `Basic ${authorizationData?.[0]?.authorizationToken}`;
    for (const authorization of [password, basic(keyPair.accessKeyId, keyPair.secretAccessKey)]) {
      const token = await tokenFor("repository:closed:pull", { authorization });
      expect(await pull(token, "closed")).toEqual([200, 200]);
    }
  });

  test("wrong credentials get no token, not even an anonymous one", async () => {
    for (const authorization of [
      basic("AWS", "wrong"),
      basic(keyPair.accessKeyId, "wrong"),
      basic("AKIANOBODY", keyPair.secretAccessKey),
      "Bearer abc",
      "Basic",
    ]) {
      const answer = await ask("&scope=repository:open:pull", { authorization });
      expect(answer.status).toBe(401);
      expect(await answer.text()).not.toContain('token"');
    }
  });

  test("who signs in with a password needs no token", async () => {
    expect((await berth.oci("GET", "/v2/closed/manifests/1")).status).toBe(200);
  });

  test("a token dies with the key it was made with, and after a quarter of an hour", async () => {
    const person = await berth.crowd.user(account, "leaver", allow(toPull));
    const authorization = basic(person.accessKeyId, person.secretAccessKey);
    const token = await tokenFor("repository:closed:pull", { authorization });
    expect(await pull(token, "closed")).toEqual([200, 200]);
    await berth.crowd.remove(person);
    expect(await pull(token, "closed")).toEqual([401, 401]);
    const anonymous = await tokenFor("repository:open:pull");
    const before = berth.now;
    berth.now = new Date(before.getTime() + 899_000);
    expect(await pull(anonymous, "open")).toEqual([200, 200]);
    berth.now = new Date(before.getTime() + 900_000);
    const answer = await as(anonymous, "GET", "/v2/open/manifests/1");
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ]);
    berth.now = before;
  });

  test("a token does not open a repository that was made anew, nor one that was made since", async () => {
    const make = async () => {
      await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "again" }));
      const policyText = forEverybody(toPull);
      await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: "again", policyText }));
      await berth.pushImage("again", "1", layer);
    };
    const early = await tokenFor("repository:again:pull");
    await make();
    expect(await pull(early, "again")).toEqual([401, 401]);
    const token = await tokenFor("repository:again:pull");
    expect(await pull(token, "again")).toEqual([200, 200]);
    await berth.ecr().send(new DeleteRepositoryCommand({ repositoryName: "again", force: true }));
    await make();
    expect(await pull(token, "again")).toEqual([401, 401]);
    expect(await pull(await tokenFor("repository:again:pull"), "again")).toEqual([200, 200]);
  });

  test("a token tells nothing by its length", async () => {
    const lengths = await Promise.all(
      ["open", "gone"].map(async (name) => (await tokenFor(`repository:${name}:pull`)).length),
    );
    expect(lengths[0]).toBe(lengths[1] as number);
  });

  test("a mount is within the token's scope, or an upload begins", async () => {
    const authorization = basic(keyPair.accessKeyId, keyPair.secretAccessKey);
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "target" }));
    const mount = async (scope: string, query = "&from=closed") => {
      const token = await tokenFor(scope, { authorization });
      return (await as(token, "POST", `/v2/target/blobs/uploads/?mount=${layerDigest}${query}`)).status;
    };
    expect(await mount("repository:target:pull,push")).toBe(202);
    expect(await mount("repository:target:pull,push", "")).toBe(202);
    expect(await mount("repository:target:pull,push repository:closed:pull")).toBe(201);
  });

  test("the answer is what clients read, and POST is refused so that they fall back to GET", async () => {
    const answer = await ask("&scope=repository:open:pull&account=somebody&client_id=docker&offline_token=true");
    const { token, access_token, expires_in, issued_at } = await bodyOf(answer);
    expect(access_token).toBe(token);
    expect(expires_in).toBe(900);
    expect(issued_at).toBe(berth.now.toISOString());
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const posted = await berth.send("POST", "/v2/token", { body: "grant_type=password" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
    const many = Array.from({ length: 17 }, (_, index) => `&scope=repository:r${index}:pull`).join("");
    expect((await ask(many)).status).toBe(400);
  });

  test("the host names the registry, also of the anonymous", async () => {
    const named = `${account}.dkr.ecr.us-east-1.${host}`;
    const elsewhere = `111111111111.dkr.ecr.us-east-1.${host}`;
    const pullOn = async (on: string) => {
      const scope = "repository:open:pull";
      const { token } = await bodyOf(await ask(`&scope=${scope}`, { host: on }));
      const headers = { host: on, authorization: `Bearer ${token}` };
      return (await berth.send("GET", "/v2/open/manifests/1", { headers })).status;
    };
    expect([await pullOn(named), await pullOn(elsewhere)]).toEqual([200, 403]);
  });
});

test("the API knows no anonymous", async () => {
  const berth = await inProcess({ publicAccess: true });
  const headers = { "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories" };
  const answer = await berth.send("POST", "/", { headers, body: "{}" });
  expect([answer.status, (await bodyOf(answer)).__type]).toEqual([400, "MissingAuthenticationTokenException"]);
  await berth.close();
});
