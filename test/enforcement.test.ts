import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  DeleteRegistryPolicyCommand,
  DeleteRepositoryCommand,
  DescribeRepositoriesCommand,
  GetAccountSettingCommand,
  GetAuthorizationTokenCommand,
  GetDownloadUrlForLayerCommand,
  GetRegistryPolicyCommand,
  GetRepositoryPolicyCommand,
  PutAccountSettingCommand,
  PutRegistryPolicyCommand,
  SetRepositoryPolicyCommand,
  TagResourceCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { account, digestOf, host, type InProcess, inProcess, keyPair, mediaTypes, region } from "./support/berth.ts";
import { allow, noticed, type Person } from "./support/people.ts";

const other = "111111111111";
const registryHost = `${account}.dkr.ecr.${region}.${host}`;
const arnOf = (name: string) => `arn:aws:ecr:${region}:${account}:repository/${name}`;
const toPull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];
const toPush = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

/** A policy of a repository or registry. */
const grant = (principal: object | string, actions: string | string[], more: object = {}) => ({
  Effect: "Allow",
  Principal: principal,
  Action: actions,
  ...more,
});
const deny = (principal: object | string, actions: string | string[], more: object = {}) => ({
  ...grant(principal, actions, more),
  Effect: "Deny",
});
const policyOf = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

let berth: InProcess;
let names = 0;
/** A repository with an image under the tag `1`. */
async function repository(...statements: object[]): Promise<string> {
  const repositoryName = `repository-${names++}`;
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  await berth.pushImage(repositoryName, "1", `layer of ${repositoryName}`);
  if (statements.length > 0) await setPolicy(repositoryName, ...statements);
  return repositoryName;
}
const setPolicy = (repositoryName: string, ...statements: object[]) =>
  berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName, policyText: policyOf(...statements) }));
const setRegistryPolicy = (...statements: object[]) =>
  berth.ecr().send(new PutRegistryPolicyCommand({ policyText: policyOf(...statements) }));

/** What a pull of the image and its layer is answered with, step by step. */
async function pull(person: Person, name: string, on: Record<string, string> = {}): Promise<number[]> {
  const get = (path: string) => berth.ociAs(person, "GET", path, { headers: on });
  const layer = digestOf(`layer of ${name}`);
  return [(await get(`/v2/${name}/manifests/1`)).status, (await get(`/v2/${name}/blobs/${layer}`)).status];
}
// biome-ignore lint/suspicious/noExplicitAny: an answer that a test looks into
const bodyOf = (answer: Response): Promise<any> => answer.json();
const onRegistryHost = { host: registryHost };

beforeAll(async () => {
  berth = await inProcess();
});
afterAll(() => berth.close());

describe("another account", () => {
  test("pulls when its own policies and the repository's allow it, and not with either of them alone", async () => {
    const open = await repository(grant({ AWS: other }, toPull));
    const closed = await repository();
    const puller = await berth.crowd.user(other, "puller", allow(["ecr:GetAuthorizationToken", ...toPull]));
    const nobody = await berth.crowd.user(other, "nobody");
    expect(await pull(puller, open, onRegistryHost)).toEqual([200, 200]);
    expect(await pull(puller, closed, onRegistryHost)).toEqual([403, 403]);
    expect(await pull(nobody, open, onRegistryHost)).toEqual([403, 403]);
  });

  test("means its own registry on a plain host", async () => {
    const open = await repository(grant({ AWS: other }, toPull));
    const puller = await berth.crowd.user(other, "plain", allow(toPull));
    expect(await pull(puller, open)).toEqual([404, 404]);
  });

  test("names the registry in the API", async () => {
    const repositoryName = await repository(grant({ AWS: other }, "ecr:BatchGetImage"));
    const person = await berth.crowd.user(other, "api", allow("ecr:BatchGetImage"));
    const input = { registryId: account, repositoryName, imageIds: [{ imageTag: "1" }] };
    const { images } = await berth.ecrAs(person).send(new BatchGetImageCommand(input));
    expect(images).toHaveLength(1);
  });
});

describe("a repository policy", () => {
  test("lets in a user of its account who has no policies", async () => {
    const user = await berth.crowd.user(account, "plain");
    const name = await repository(grant({ AWS: user.principal.arn }, "ecr:BatchGetImage"));
    expect(await pull(user, name)).toEqual([200, 403]);
  });

  test("denies what identity policies allow, and root users too", async () => {
    const user = await berth.crowd.user(account, "denied", allow("ecr:*"));
    const name = await repository(deny({ AWS: user.principal.arn }, "ecr:BatchGetImage"));
    expect(await pull(user, name)).toEqual([403, 200]);
    await setPolicy(name, deny("*", "ecr:GetDownloadUrlForLayer"));
    expect((await berth.oci("GET", `/v2/${name}/blobs/${digestOf(`layer of ${name}`)}`)).status).toBe(403);
  });

  test("is obeyed from the moment at which it is set or deleted", async () => {
    const user = await berth.crowd.user(account, "moment");
    const name = await repository();
    expect(await pull(user, name)).toEqual([403, 403]);
    await setPolicy(name, grant({ AWS: user.principal.arn }, toPull));
    expect(await pull(user, name)).toEqual([200, 200]);
    await setPolicy(name, grant({ AWS: user.principal.arn }, "ecr:BatchGetImage"));
    expect(await pull(user, name)).toEqual([200, 403]);
  });
});

describe("setting a policy", () => {
  const invalid =
    "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'";

  test("is refused when it names a user or role that does not exist, as ECR words it", async () => {
    const name = await repository();
    for (const arn of [`arn:aws:iam::${account}:user/nobody`, `arn:aws:iam::${other}:role/nobody`]) {
      const set = setPolicy(name, grant({ AWS: arn }, "ecr:BatchGetImage"));
      await expect(set).rejects.toMatchObject({ name: "InvalidParameterException", message: invalid });
    }
    await setPolicy(name, grant({ AWS: ["222222222222", "arn:aws:iam::333333333333:root"] }, "ecr:BatchGetImage"));
  });

  test("that would lock its author out needs force", async () => {
    const author = await berth.crowd.user(account, "author", allow("ecr:SetRepositoryPolicy"));
    const repositoryName = await repository();
    const policyText = policyOf(deny({ AWS: author.principal.arn }, "ecr:*"));
    const set = (force?: boolean) =>
      berth.ecrAs(author).send(new SetRepositoryPolicyCommand({ repositoryName, policyText, force }));
    await expect(set()).rejects.toMatchObject({ name: "InvalidParameterException" });
    expect((await set(true)).policyText).toBe(policyText);
    await expect(set(true)).rejects.toMatchObject({ name: "AccessDeniedException" });
  });

  test("binds users to who they are: a later user of the name inherits nothing, and the policy shows the id", async () => {
    const first = await berth.crowd.user(account, "leaver");
    const repositoryName = await repository(grant({ AWS: first.principal.arn }, toPull));
    await berth.crowd.remove(first);
    const second = await berth.crowd.user(account, "leaver");
    expect(await pull(second, repositoryName)).toEqual([403, 403]);
    const { policyText } = await berth.ecr().send(new GetRepositoryPolicyCommand({ repositoryName }));
    expect(JSON.parse(policyText ?? "").Statement[0].Principal).toEqual({ AWS: first.principal.identityId });
  });
});

describe("the registry policy", () => {
  test("is set, shown and deleted", async () => {
    const ecr = berth.ecr();
    const none = { name: "RegistryPolicyNotFoundException" };
    const message = `Registry policy does not exist in the registry with id '${account}'`;
    await expect(ecr.send(new GetRegistryPolicyCommand({}))).rejects.toMatchObject({ ...none, message });
    const policyText = policyOf(grant({ AWS: other }, "ecr:BatchGetImage", { Resource: arnOf("*") }));
    const shown = { registryId: account, policyText };
    expect(await ecr.send(new PutRegistryPolicyCommand({ policyText }))).toMatchObject(shown);
    expect(await ecr.send(new GetRegistryPolicyCommand({}))).toMatchObject(shown);
    expect(await ecr.send(new DeleteRegistryPolicyCommand({}))).toMatchObject(shown);
    await expect(ecr.send(new DeleteRegistryPolicyCommand({}))).rejects.toMatchObject(none);
  });

  test("speaks of every request in scope V2, and of three actions in scope V1", async () => {
    const user = await berth.crowd.user(account, "scoped");
    const name = await repository();
    const setScope = (value: string) =>
      berth.ecr().send(new PutAccountSettingCommand({ name: "REGISTRY_POLICY_SCOPE", value }));
    await setRegistryPolicy(grant({ AWS: user.principal.arn }, "ecr:*", { Resource: "*" }));
    const create = () =>
      berth.ecrAs(user).send(new CreateRepositoryCommand({ repositoryName: `repository-${names++}` }));
    expect(await pull(user, name)).toEqual([200, 200]);
    await create();
    await setScope("V1");
    expect(await pull(user, name)).toEqual([403, 403]);
    await create();
    const narrow = setRegistryPolicy(grant({ AWS: user.principal.arn }, "ecr:BatchGetImage", { Resource: "*" }));
    await expect(narrow).rejects.toMatchObject({ name: "InvalidParameterException" });
    await setScope("V2");
    await berth.ecr().send(new DeleteRegistryPolicyCommand({}));
    expect(await pull(user, name)).toEqual([403, 403]);
  });

  test("in scope V1 takes the three actions and ecr:*, and lets create only whom it names", async () => {
    const user = await berth.crowd.user(account, "narrow");
    const setScope = (value: string) =>
      berth.ecr().send(new PutAccountSettingCommand({ name: "REGISTRY_POLICY_SCOPE", value }));
    const create = () =>
      berth.ecrAs(user).send(new CreateRepositoryCommand({ repositoryName: `repository-${names++}` }));
    await setScope("V1");
    for (const action of ["ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:*", "ecr:CreateRepository"]) {
      await setRegistryPolicy(grant({ AWS: user.principal.arn }, action, { Resource: arnOf("*") }));
    }
    await create();
    await setRegistryPolicy(deny({ AWS: user.principal.arn }, "ecr:CreateRepository", { Resource: "*" }));
    await expect(create()).rejects.toMatchObject({ name: "AccessDeniedException" });
    await setScope("V2");
    await berth.ecr().send(new DeleteRegistryPolicyCommand({}));
  });

  test("has 10,240 characters at the most", async () => {
    const Sid = "x".repeat(10_240);
    await expect(
      setRegistryPolicy({ ...grant({ AWS: other }, "ecr:*", { Resource: "*" }), Sid }),
    ).rejects.toMatchObject({
      name: "InvalidParameterException",
      message:
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Member must have length less than or equal to 10240'",
    });
  });

  test("never lets anybody have a token, and cannot lock its author out", async () => {
    const user = await berth.crowd.user(account, "tokenless");
    await setRegistryPolicy(grant({ AWS: user.principal.arn }, "ecr:*", { Resource: "*" }));
    await expect(berth.ecrAs(user).send(new GetAuthorizationTokenCommand({}))).rejects.toMatchObject({
      name: "AccessDeniedException",
      message: `User: ${user.principal.arn} is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action`,
    });
    const locking = setRegistryPolicy(deny("*", "ecr:*", { Resource: "*" }));
    await expect(locking).rejects.toMatchObject({ name: "ValidationException" });
    await berth.ecr().send(new DeleteRegistryPolicyCommand({}));
  });

  test("is the only policy of a list across repositories, which shows what its reader may see", async () => {
    const user = await berth.crowd.user(account, "lister", allow("ecr:DescribeRepositories"));
    const [shown, hidden] = [await repository(), await repository()];
    await setPolicy(hidden, deny({ AWS: user.principal.arn }, "ecr:DescribeRepositories"));
    const { repositories = [] } = await berth.ecrAs(user).send(new DescribeRepositoriesCommand({ maxResults: 1000 }));
    const listed = repositories.map(({ repositoryName }) => repositoryName);
    const catalog = (await bodyOf(await berth.ociAs(user, "GET", "/v2/_catalog"))).repositories;
    expect([listed, catalog].map((list) => [list.includes(shown), list.includes(hidden)])).toEqual([
      [true, false],
      [true, false],
    ]);
  });
});

test("tags of a repository decide, from the moment at which they are set", async () => {
  const condition = { StringEquals: { "aws:ResourceTag/team": "blue", "ecr:ResourceTag/team": "blue" } };
  const user = await berth.crowd.user(account, "blue", allow(toPull, "*", condition));
  const name = await repository();
  expect(await pull(user, name)).toEqual([403, 403]);
  const tag = { resourceArn: arnOf(name), tags: [{ Key: "team", Value: "blue" }] };
  await berth.ecr().send(new TagResourceCommand(tag));
  expect(await pull(user, name)).toEqual([200, 200]);
});

describe("conditions on images", () => {
  const pushAs = async (person: Person, name: string, reference: string, content: string, extra: object = {}) => {
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { mediaType: mediaTypes.config, ...(await berth.pushBlob(name, "{}")) },
      layers: [{ mediaType: mediaTypes.layer, ...(await berth.pushBlob(name, content)) }],
      ...extra,
    });
    const headers = { "content-type": mediaTypes.manifest };
    const answer = await berth.ociAs(person, "PUT", `/v2/${name}/manifests/${reference}`, { headers, body: manifest });
    return { status: answer.status, digest: digestOf(manifest) };
  };

  test("who may push but not overwrite a tag cannot move it", async () => {
    const keep = deny("*", "ecr:PutImage", { Condition: { Bool: { "berth:OverwritesTag": "true" } } });
    const name = await repository(keep);
    const user = await berth.crowd.user(account, "pusher", allow(toPush));
    expect((await pushAs(user, name, "new", "one")).status).toBe(201);
    expect((await pushAs(user, name, "new", "one")).status).toBe(201);
    expect((await pushAs(user, name, "new", "two")).status).toBe(403);
    const { digest, status } = await pushAs(user, name, digestOf("no"), "three");
    expect(status).toBe(400);
    expect((await pushAs(user, name, `${digest}?tag=other`, "three")).status).toBe(201);
    expect((await pushAs(user, name, `${digest}?tag=other&tag=new`, "three")).status).toBe(403);
    const tags = (await bodyOf(await berth.oci("GET", `/v2/${name}/tags/list`))).tags;
    expect(tags).toEqual(["1", "new", "other"]);
  });

  test("a right to push new tags only is enough for a new tag", async () => {
    const condition = { Bool: { "berth:OverwritesTag": "false" }, StringLike: { "berth:ImageTag": "ci-*" } };
    const user = await berth.crowd.user(account, "careful", allow("ecr:PutImage", "*", condition));
    const name = await repository();
    expect((await pushAs(user, name, "ci-1", "one")).status).toBe(201);
    expect((await pushAs(user, name, "ci-1", "two")).status).toBe(403);
    expect((await pushAs(user, name, "prod", "one")).status).toBe(403);
  });

  test("two pushes of a new tag at once: one of them overwrites it and may not", async () => {
    const keep = deny("*", "ecr:PutImage", { Condition: { Bool: { "berth:OverwritesTag": "true" } } });
    const name = await repository(keep);
    const user = await berth.crowd.user(account, "racer", allow(toPush));
    const pushes = await Promise.all(["a", "b", "c", "d"].map((content) => pushAs(user, name, "race", content)));
    expect(pushes.map(({ status }) => status).sort()).toEqual([201, 403, 403, 403]);
  });

  test("what kind of artifact may be pushed is decided from its manifest", async () => {
    const charts = { StringEquals: { "berth:ArtifactType": "application/vnd.test.chart" } };
    const user = await berth.crowd.user(account, "charts", allow("ecr:PutImage", "*", charts));
    const name = await repository();
    expect((await pushAs(user, name, "chart", "x", { artifactType: "application/vnd.test.chart" })).status).toBe(201);
    expect((await pushAs(user, name, "image", "y")).status).toBe(403);
  });

  test("a tag that may be read, and one that may not, by tag and by digest", async () => {
    const user = await berth.crowd.user(account, "reader", allow("ecr:BatchGetImage"));
    const secret = { StringLike: { "berth:ImageTag": "secret*" } };
    const name = await repository(deny({ AWS: user.principal.arn }, "ecr:BatchGetImage", { Condition: secret }));
    const { digest } = await berth.pushImage(name, "secret-1", "hidden");
    const read = async (reference: string) =>
      (await berth.ociAs(user, "GET", `/v2/${name}/manifests/${reference}`)).status;
    expect([await read("1"), await read("secret-1"), await read(digest)]).toEqual([200, 403, 403]);
    const input = { repositoryName: name, imageIds: [{ imageTag: "1" }, { imageDigest: digest }] };
    await expect(berth.ecrAs(user).send(new BatchGetImageCommand(input))).rejects.toMatchObject({
      name: "AccessDeniedException",
    });
  });

  test("who may pull an index by its tag may pull its parts by digest, and who may not, may not", async () => {
    const released = { StringLike: { "berth:ImageTag": "v*" } };
    const user = await berth.crowd.user(account, "released", allow("ecr:BatchGetImage", "*", released));
    const name = await repository();
    const { digest: part, manifest } = await berth.pushImage(name, "part", "amd64");
    const read = async (reference: string) =>
      (await berth.ociAs(user, "GET", `/v2/${name}/manifests/${reference}`)).status;
    expect(await read(part)).toBe(403);
    const child = { mediaType: mediaTypes.manifest, digest: part, size: manifest.length };
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] });
    for (const [tag, status] of [
      ["draft", 403],
      ["v1", 200],
    ] as const) {
      const headers = { "content-type": mediaTypes.index };
      await berth.oci("PUT", `/v2/${name}/manifests/${tag}`, { headers, body: index });
      expect([await read(tag), await read(part)]).toEqual([status, status]);
    }
    expect(await read("part")).toBe(403);
  });

  test("every way to delete passes the policy: by tag, by digest, in a batch, with the repository", async () => {
    const user = await berth.crowd.user(account, "cleaner", allow(["ecr:BatchDeleteImage", "ecr:DeleteRepository"]));
    const keep = { StringLike: { "berth:ImageTag": "prod*" } };
    const name = await repository(deny("*", "ecr:BatchDeleteImage", { Condition: keep }));
    const { digest } = await berth.pushImage(name, "prod-1", "kept");
    await berth.pushImage(name, "dev-1", "kept");
    const remove = async (reference: string) =>
      (await berth.ociAs(user, "DELETE", `/v2/${name}/manifests/${reference}`)).status;
    const batch = (...imageIds: { imageTag?: string; imageDigest?: string }[]) =>
      berth.ecrAs(user).send(new BatchDeleteImageCommand({ repositoryName: name, imageIds }));
    const refused = { name: "AccessDeniedException" };
    expect([await remove("prod-1"), await remove(digest)]).toEqual([403, 403]);
    await expect(batch({ imageTag: "prod-1" })).rejects.toMatchObject(refused);
    await expect(batch({ imageTag: "1" }, { imageDigest: digest })).rejects.toMatchObject(refused);
    await expect(batch({ imageDigest: digest, imageTag: "dev-1" })).rejects.toMatchObject(refused);
    const whole = new DeleteRepositoryCommand({ repositoryName: name, force: true });
    await expect(berth.ecrAs(user).send(whole)).rejects.toMatchObject(refused);
    expect([await remove("dev-1"), await remove("1")]).toEqual([202, 202]);
    expect((await berth.oci("GET", `/v2/${name}/manifests/prod-1`)).status).toBe(200);
  });

  test("a repository goes with all it has where no policy keeps an image", async () => {
    const user = await berth.crowd.user(account, "owner", allow("ecr:DeleteRepository"));
    const name = await repository();
    await berth.ecrAs(user).send(new DeleteRepositoryCommand({ repositoryName: name, force: true }));
    const kept = await repository(deny({ AWS: user.principal.arn }, "ecr:BatchDeleteImage"));
    const whole = new DeleteRepositoryCommand({ repositoryName: kept, force: true });
    await expect(berth.ecrAs(user).send(whole)).rejects.toMatchObject({ name: "AccessDeniedException" });
  });
});

describe("an upload", () => {
  test("is there for nobody but the principal who began it, on every verb", async () => {
    const name = await repository();
    const all = allow("ecr:*");
    const [owner, stranger] = [
      await berth.crowd.user(account, "uploader", all),
      await berth.crowd.user(account, "stranger", all),
    ];
    const begun = await berth.ociAs(owner, "POST", `/v2/${name}/blobs/uploads/`);
    const upload = begun.headers.get("location") ?? "";
    const missing = upload.replace(/[0-9a-f-]{36}$/, crypto.randomUUID());
    const elsewhere = upload.replace(name, await repository());
    const digest = digestOf("content");
    for (const [method, query, body] of [
      ["GET", ""],
      ["PATCH", "", "content"],
      ["PUT", `?digest=${digest}`, "content"],
      ["DELETE", ""],
    ] as const) {
      for (const [person, at] of [
        [stranger, upload],
        [owner, missing],
        [owner, elsewhere],
      ] as const) {
        const answer = await berth.ociAs(person, method, `${at}${query}`, { body });
        expect(answer.status).toBe(404);
        expect((await bodyOf(answer)).errors[0].code).toBe("BLOB_UPLOAD_UNKNOWN");
      }
    }
    const id = upload.slice(-36);
    const part = { repositoryName: name, uploadId: id, partFirstByte: 0, partLastByte: 6 };
    const layerPartBlob = new TextEncoder().encode("content");
    for (const command of [
      new UploadLayerPartCommand({ ...part, layerPartBlob }),
      new CompleteLayerUploadCommand({ repositoryName: name, uploadId: id, layerDigests: [digest] }),
    ]) {
      const sent = berth.ecrAs(stranger).send(command as UploadLayerPartCommand);
      await expect(sent).rejects.toMatchObject({ name: "UploadNotFoundException" });
    }
    expect((await berth.ociAs(owner, "PUT", `${upload}?digest=${digest}`, { body: "content" })).status).toBe(201);
  });
});

test("policies name the account settings that they are about", async () => {
  const condition = { StringEquals: { "ecr:AccountSetting": "BLOB_MOUNTING" } };
  const settings = allow(["ecr:GetAccountSetting", "ecr:PutAccountSetting"], "*", condition);
  const ecr = berth.ecrAs(await berth.crowd.user(account, "setter", settings));
  const [name, value] = ["BLOB_MOUNTING", "ENABLED"];
  expect(await ecr.send(new PutAccountSettingCommand({ name, value }))).toMatchObject({ name, value });
  expect(await ecr.send(new GetAccountSettingCommand({ name }))).toMatchObject({ name, value });
  const denied = { name: "AccessDeniedException" };
  const scope = "REGISTRY_POLICY_SCOPE";
  await expect(ecr.send(new PutAccountSettingCommand({ name: scope, value: "V1" }))).rejects.toMatchObject(denied);
  await expect(ecr.send(new GetAccountSettingCommand({ name: scope }))).rejects.toMatchObject(denied);
});

describe("a mount", () => {
  test("from a repository that is unknown, forbidden or without the layer begins an upload, and asks equally much", async () => {
    const [target, forbidden, without] = [await repository(), await repository(), await repository()];
    const reads = allow("ecr:GetDownloadUrlForLayer", [arnOf(without), arnOf("unknown-*")]);
    const user = await berth.crowd.user(account, "mounter", allow(toPush), reads);
    const digest = digestOf(`layer of ${forbidden}`);
    const mount = async (from: string) => {
      // What is known already is asked for again.
      await noticed();
      const before = berth.queries;
      const answer = await berth.ociAs(user, "POST", `/v2/${target}/blobs/uploads/?mount=${digest}&from=${from}`);
      return { status: answer.status, queries: berth.queries - before };
    };
    const answers = [];
    for (const from of ["unknown-repository", "another-unknown", forbidden, without]) answers.push(await mount(from));
    const [first] = answers;
    expect(first?.status).toBe(202);
    expect(answers).toEqual(answers.map(() => first as never));
  });

  test("without a source takes the layer only from repositories that may be read", async () => {
    const [target, source] = [await repository(), await repository()];
    const user = await berth.crowd.user(account, "finder", allow(toPush));
    const digest = digestOf(`layer of ${source}`);
    const mount = async () => (await berth.ociAs(user, "POST", `/v2/${target}/blobs/uploads/?mount=${digest}`)).status;
    expect(await mount()).toBe(202);
    expect((await berth.oci("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(404);
    await setPolicy(source, grant({ AWS: user.principal.arn }, "ecr:GetDownloadUrlForLayer"));
    expect(await mount()).toBe(201);
    expect((await berth.oci("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(200);
  });

  test("nor does asking whether a layer is there tell of other repositories", async () => {
    const [asked, holder] = [await repository(), await repository()];
    const user = await berth.crowd.user(account, "asker", allow("ecr:BatchCheckLayerAvailability", arnOf(asked)));
    const digest = digestOf(`layer of ${holder}`);
    expect((await berth.ociAs(user, "HEAD", `/v2/${asked}/blobs/${digest}`)).status).toBe(404);
    const input = { repositoryName: asked, layerDigests: [digest] };
    const { layers } = await berth.ecrAs(user).send(new BatchCheckLayerAvailabilityCommand(input));
    expect(layers).toEqual([{ layerDigest: digest, layerAvailability: "UNAVAILABLE" }]);
  });
});

describe("who may not", () => {
  const routes = (name: string, digest: string) =>
    [
      ["GET", `/v2/${name}/manifests/1`, "ecr:BatchGetImage"],
      ["HEAD", `/v2/${name}/manifests/1`, "ecr:BatchGetImage"],
      ["GET", `/v2/${name}/manifests/${digest}`, "ecr:BatchGetImage"],
      ["PUT", `/v2/${name}/manifests/1`, "ecr:PutImage"],
      ["DELETE", `/v2/${name}/manifests/1`, "ecr:BatchDeleteImage"],
      ["GET", `/v2/${name}/blobs/${digest}`, "ecr:GetDownloadUrlForLayer"],
      ["HEAD", `/v2/${name}/blobs/${digest}`, "ecr:BatchCheckLayerAvailability"],
      ["DELETE", `/v2/${name}/blobs/${digest}`, "ecr:BatchDeleteImage"],
      ["POST", `/v2/${name}/blobs/uploads/`, "ecr:InitiateLayerUpload"],
      ["GET", `/v2/${name}/blobs/uploads/${crypto.randomUUID()}`, "ecr:UploadLayerPart"],
      ["GET", `/v2/${name}/tags/list`, "ecr:ListImages"],
      ["GET", `/v2/${name}/referrers/${digest}`, "ecr:BatchGetImage"],
      ["GET", `/v2/${name}/_berth/tags/1/history`, "ecr:DescribeImages"],
    ] as const;

  test("is told the same of what is there and of what is not, on every route", async () => {
    const [name, digest] = [await repository(), digestOf("{}")];
    for (const [person, because] of [
      [await berth.crowd.user(account, "nothing"), "no identity-based policy"],
      [await berth.crowd.user(other, "nothing"), "no resource-based policy"],
      [await berth.crowd.user(other, "everything", allow("ecr:*")), "no resource-based policy"],
    ] as const) {
      for (const at of [name, "nowhere"]) {
        for (const [method, path, action] of routes(at, digest)) {
          const answer = await berth.ociAs(person, method, path, { headers: onRegistryHost });
          expect(answer.status).toBe(403);
          if (method === "HEAD") continue;
          const message = `User: ${person.principal.arn} is not authorized to perform: ${action} on resource: ${arnOf(at)} because ${because} allows the ${action} action`;
          expect(await answer.json()).toEqual({ errors: [{ code: "DENIED", message }] });
        }
      }
    }
  });

  test("learns nothing of another account's tags and images from what its own policies ask about them", async () => {
    const [tagged, plain] = [await repository(), await repository()];
    const resourceArn = arnOf(tagged);
    await berth.ecr().send(new TagResourceCommand({ resourceArn, tags: [{ Key: "team", Value: "blue" }] }));
    const everything = allow("ecr:*");
    const asking = (effect: "Allow" | "Deny", condition: object) => {
      const { Statement, Version } = allow("ecr:*", "*", condition);
      return { Version, Statement: { ...Statement, Effect: effect } };
    };
    const isBlue = { StringEquals: { "ecr:ResourceTag/team": "blue" } };
    const hasImage = { StringLike: { "berth:ImageDigest": "sha256:*" } };
    const people = [
      await berth.crowd.user(other, "asks-tags", asking("Allow", isBlue)),
      await berth.crowd.user(other, "minds-tags", everything, asking("Deny", isBlue)),
      await berth.crowd.user(other, "asks-images", asking("Allow", hasImage)),
      await berth.crowd.user(other, "minds-images", everything, asking("Deny", hasImage)),
    ];
    for (const person of people) {
      for (const name of [tagged, plain, "nowhere"]) {
        const path = `/v2/${name}/manifests/1`;
        const { errors } = await bodyOf(await berth.ociAs(person, "GET", path, { headers: onRegistryHost }));
        expect(errors[0].message).toEndWith("because no resource-based policy allows the ecr:BatchGetImage action");
      }
    }
  });

  test("costs as many questions for what is there as for what is not", async () => {
    const name = await repository(grant({ AWS: other }, "ecr:BatchGetImage"));
    const person = await berth.crowd.user(account, "timing");
    const cost = async (at: string) => {
      await noticed();
      const before = berth.queries;
      await berth.ociAs(person, "GET", `/v2/${at}/manifests/1`);
      return berth.queries - before;
    };
    const costs = [await cost(name), await cost("nowhere"), await cost("nowhere/else")];
    expect(costs[0]).toBeGreaterThan(0);
    expect(new Set(costs).size).toBe(1);
  });
});

describe("signing in", () => {
  test("costs as many questions with a wrong password as with a name that nobody has", async () => {
    const user = await berth.crowd.user(account, "guessed", allow("ecr:*"));
    const cost = async (accessKeyId: string) => {
      const before = berth.queries;
      const answer = await berth.ociAs({ ...user, accessKeyId, secretAccessKey: "wrong" }, "GET", "/v2/");
      expect(answer.status).toBe(401);
      return berth.queries - before;
    };
    const names = [user.accessKeyId, "AKIANOBODYNOBODYNOBO", keyPair.accessKeyId];
    const costs: number[][] = [];
    for (const name of names) {
      await noticed();
      // The second guess at once: what is remembered of a name that is there is remembered of one that is not.
      costs.push([await cost(name), await cost(name)]);
    }
    expect(costs[0]?.[0]).toBeGreaterThan(0);
    expect(costs).toEqual(costs.map(() => costs[0] as number[]));
  });
});

test("tags that a request brings along decide who may create and tag", async () => {
  const blue = {
    StringEquals: { "aws:RequestTag/team": "blue" },
    "ForAllValues:StringEquals": { "aws:TagKeys": "team" },
  };
  const actions = ["ecr:CreateRepository", "ecr:TagResource"];
  const user = await berth.crowd.user(account, "tagger", allow(actions, "*", blue));
  const create = (tags: Record<string, string>) => {
    const repositoryName = `repository-${names++}`;
    const list = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    return berth.ecrAs(user).send(new CreateRepositoryCommand({ repositoryName, tags: list }));
  };
  const refused = { name: "AccessDeniedException" };
  const made = await create({ team: "blue" });
  await expect(create({ team: "red" })).rejects.toMatchObject(refused);
  await expect(create({ team: "blue", more: "x" })).rejects.toMatchObject(refused);
  await expect(create({})).rejects.toMatchObject(refused);
  const tag = (Value: string) =>
    berth
      .ecrAs(user)
      .send(new TagResourceCommand({ resourceArn: made.repository?.repositoryArn, tags: [{ Key: "team", Value }] }));
  await tag("blue");
  await expect(tag("red")).rejects.toMatchObject(refused);
});

describe("a download URL", () => {
  test("does not open a repository that was made anew", async () => {
    const name = await repository();
    const layerDigest = digestOf(`layer of ${name}`);
    const input = { repositoryName: name, layerDigest };
    const { downloadUrl = "" } = await berth.ecr().send(new GetDownloadUrlForLayerCommand(input));
    const { pathname, search } = new URL(downloadUrl);
    const download = async () => (await berth.send("GET", `${pathname}${search}`)).status;
    expect(await download()).toBe(200);
    await berth.ecr().send(new DeleteRepositoryCommand({ repositoryName: name, force: true }));
    expect(await download()).toBe(401);
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: name }));
    await berth.pushImage(name, "1", `layer of ${name}`);
    expect(await download()).toBe(401);
  });
});
