import { type Aws, type Json, type Keys, openAws, policy } from "./aws.ts";
import type { World } from "./client.ts";
import { buildBusybox, type Docker, findDocker, imageId, push, removeAllImages, startDaemon } from "./dockerd.ts";
import { contains, equal, holds } from "./expect.ts";
import { version } from "./process.ts";

/** The everyday story of permissions, with the stock AWS CLI and Docker. */
export const name = "iam";
export const installedByCi = true;
export const needsRoot = true;
export const timeoutMs = 420_000;

export async function find(): Promise<string | undefined> {
  const [aws, docker] = [await version(["aws", "--version"]), await findDocker()];
  return aws && docker ? `AWS CLI ${aws}, Docker ${docker}` : undefined;
}

const PUSH = [
  "ecr:BatchCheckLayerAvailability",
  "ecr:InitiateLayerUpload",
  "ecr:UploadLayerPart",
  "ecr:CompleteLayerUpload",
  "ecr:PutImage",
];
const PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const REPOSITORY = "story/api";

interface Story {
  readonly world: World;
  readonly root: Aws;
  readonly docker: Docker;
  /** How Docker calls the repository, and how it calls it in the account's own name. */
  readonly image: string;
  readonly accountImage: string;
  readonly accountHost: string;
  readonly arn: string;
}

export async function run(world: World): Promise<void> {
  const root = openAws(world);
  const accountHost = `${world.account}.dkr.ecr.${world.region}.berth.test`;
  const docker = await startDaemon(world, { hosts: [accountHost] });
  const image = await world.repository(REPOSITORY);
  const port = new URL(world.url).port;
  const story: Story = {
    world,
    root,
    docker,
    image,
    accountImage: `${accountHost}:${port}/${REPOSITORY}`,
    accountHost: `${accountHost}:${port}`,
    arn: `arn:aws:ecr:${world.region}:${world.account}:repository/${REPOSITORY}`,
  };
  await buildBusybox(world, docker, "story");
  const ci = await ciMayOnlyPush(story);
  await clusterMayOnlyPull(story);
  await groupsCount(story);
  await otherAccountPulls(story);
  if (!ci) return;
  await denyBeatsAllow(story, ci);
  await whyWasItDenied(story, ci);
  await revokedKeyIsCutOff(story, ci);
}

async function login({ world, docker }: Story, aws: Aws, config: string, host = world.host): Promise<void> {
  const password = await aws.text("ecr", "get-login-password");
  const args = ["login", "--username", "AWS", "--password-stdin", host];
  contains(await docker(args, { input: password, config }), "Login Succeeded", "login");
}

async function userWithKey({ root }: Story, user: string): Promise<Keys> {
  await root.json("iam", "create-user", "--user-name", user);
  return (await root.json("iam", "create-access-key", "--user-name", user)).AccessKey;
}

const notAllowed = (arn: string, action: string, resource: string) =>
  `User: ${arn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;

/** Answers the keys of the CI user when the story can go on with them. */
async function ciMayOnlyPush(story: Story): Promise<Keys | undefined> {
  const { world, root, docker, image, arn } = story;
  const { check, account } = world;
  const user = `arn:aws:iam::${account}:user/ci`;
  let keys: Keys | undefined;
  const made = await check("a CI user with a policy of its own: it may push to one repository", async () => {
    keys = await userWithKey(story, "ci");
    const document = policy(
      { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
      { Effect: "Allow", Action: PUSH, Resource: arn },
    );
    const created = await root.json("iam", "create-policy", "--policy-name", "push", "--policy-document", document);
    await root.json("iam", "attach-user-policy", "--user-name", "ci", "--policy-arn", created.Policy.Arn);
    await login(story, root.as(keys), "ci");
    contains(await push(docker, "built:story", `${image}:v1`, { config: "ci" }), "digest: sha256:", "push");
  });
  if (!made || !keys) return undefined;
  const ci = root.as(keys);
  await check("the CI user is who it says", async () => {
    equal((await ci.json("sts", "get-caller-identity")).Arn, user, "Arn");
  });
  await check("the CI user may not pull what it pushed", async () => {
    const output = await docker(["pull", `${image}:v1`], { config: "ci", fails: true });
    contains(output, notAllowed(user, "ecr:BatchGetImage", arn), "pull");
  });
  await check("nor push elsewhere, whether there is such a repository or not", async () => {
    await world.repository("story/other");
    for (const name of ["story/other", "story/none"]) {
      const output = await push(docker, "built:story", `${world.host}/${name}:v1`, { config: "ci", fails: true });
      const resource = arn.replace(REPOSITORY, name);
      contains(output, /denied|403/i, "push");
      contains(output, `is not authorized to perform: ecr:`, "push");
      contains(output, resource, "push");
    }
  });
  await check("nor delete, list or manage", async () => {
    const calls: [string, string[]][] = [
      ["ecr:BatchDeleteImage", ["batch-delete-image", "--repository-name", REPOSITORY, "--image-ids", "imageTag=v1"]],
      ["ecr:ListImages", ["list-images", "--repository-name", REPOSITORY]],
      ["ecr:DeleteRepository", ["delete-repository", "--repository-name", REPOSITORY, "--force"]],
    ];
    for (const [action, args] of calls) {
      const message = await ci.refused("ecr", ...args);
      contains(message, `(AccessDeniedException)`, action);
      contains(message, notAllowed(user, action, arn), action);
    }
    contains(await ci.refused("iam", "list-users"), "(AccessDenied)", "iam");
  });
  return keys;
}

async function clusterMayOnlyPull(story: Story): Promise<void> {
  const { world, root, docker, image, arn } = story;
  const { check, account } = world;
  await check("the cluster's role may only pull", async () => {
    const keys = await userWithKey(story, "node");
    const trust = policy({
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${account}:user/node` },
      Action: "sts:AssumeRole",
    });
    const { Role } = await root.json(
      "iam",
      "create-role",
      "--role-name",
      "cluster",
      "--assume-role-policy-document",
      trust,
    );
    const attached = ["--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"];
    await root.json("iam", "attach-role-policy", "--role-name", "cluster", ...attached);
    const assume = ["sts", "assume-role", "--role-arn", Role.Arn, "--role-session-name", "node-1"];
    const { Credentials, AssumedRoleUser } = await root.as(keys).json(...assume);
    const session = `arn:aws:sts::${account}:assumed-role/cluster/node-1`;
    equal(AssumedRoleUser.Arn, session, "Arn");
    const cluster = root.as(Credentials);
    await login(story, cluster, "cluster");
    const id = await imageId(docker, "built:story");
    await removeAllImages(docker);
    await docker(["pull", `${image}:v1`], { config: "cluster" });
    equal(await imageId(docker, `${image}:v1`), id, "image id");
    await docker(["tag", `${image}:v1`, "built:story"]);
    const output = await push(docker, "built:story", `${image}:v2`, { config: "cluster", fails: true });
    contains(output, `User: ${session} is not authorized to perform: ecr:`, "push");
    contains(output, arn, "push");
  });
}

async function groupsCount(story: Story): Promise<void> {
  const { world, root } = story;
  await world.check("a group's policy counts for its members, and no longer for who left", async () => {
    const keys = await userWithKey(story, "dev");
    const dev = root.as(keys);
    await root.json("iam", "create-group", "--group-name", "readers");
    const readOnly = ["--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"];
    await root.json("iam", "attach-group-policy", "--group-name", "readers", ...readOnly);
    const list = ["ecr", "list-images", "--repository-name", REPOSITORY];
    contains(await dev.refused(...list), "AccessDeniedException", "before");
    await root.json("iam", "add-user-to-group", "--group-name", "readers", "--user-name", "dev");
    equal((await dev.json(...list)).imageIds.length > 0, true, "images as a member");
    await root.json("iam", "remove-user-from-group", "--group-name", "readers", "--user-name", "dev");
    contains(await dev.refused(...list), "AccessDeniedException", "afterwards");
  });
}

/** Not there in every world: the organization may have been made by an earlier part. */
async function otherAccount({ root }: Story): Promise<{ id: string; admin: Aws }> {
  await root.json("organizations", "create-organization", "--feature-set", "ALL").catch(() => undefined);
  const create = ["organizations", "create-account", "--email", "other@berth.test", "--account-name", "other"];
  const { CreateAccountStatus } = await root.json(...create);
  equal(CreateAccountStatus.State, "SUCCEEDED", "State");
  const id = CreateAccountStatus.AccountId as string;
  const role = `arn:aws:iam::${id}:role/OrganizationAccountAccessRole`;
  const assume = ["sts", "assume-role", "--role-arn", role, "--role-session-name", "setup"];
  return { id, admin: root.as((await root.json(...assume)).Credentials) };
}

async function otherAccountPulls(story: Story): Promise<void> {
  const { world, root, docker, accountImage, accountHost, arn } = story;
  const { check, account } = world;
  let admin: Aws | undefined;
  let id = "";
  await check("another account, by Organizations, and its administrator by a role", async () => {
    ({ id, admin } = await otherAccount(story));
    equal((await admin.json("sts", "get-caller-identity")).Account, id, "Account");
  });
  if (!admin) return;
  const other = admin;
  await check("it pulls when the repository's policy says so, and only then", async () => {
    await login(story, other, "other", accountHost);
    const pull = ["pull", `${accountImage}:v1`];
    const before = await docker(pull, { config: "other", fails: true });
    contains(before, "because no resource-based policy allows the ecr:BatchGetImage action", "before");
    const text = policy({ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${id}:root` }, Action: PULL });
    const set = ["ecr", "set-repository-policy", "--repository-name", REPOSITORY, "--policy-text", text];
    await root.json(...set);
    await removeAllImages(docker).then(() => docker(pull, { config: "other" }));
    const by = await other.json("ecr", "batch-get-image", ...named(account), "--image-ids", "imageTag=v1");
    equal(by.images.length, 1, "images by the API");
    const message = await other.refused("ecr", "batch-delete-image", ...named(account), "--image-ids", "imageTag=v1");
    contains(message, `on resource: ${arn} because no resource-based policy allows`, "delete");
    await root.json("ecr", "delete-repository-policy", "--repository-name", REPOSITORY);
    contains(await docker(pull, { config: "other", fails: true }), "no resource-based policy", "afterwards");
  });
}

const named = (account: string) => ["--registry-id", account, "--repository-name", REPOSITORY];

async function denyBeatsAllow(story: Story, keys: Keys): Promise<void> {
  const { world, root, docker, image, arn } = story;
  await world.check("a deny beats an allow, and pushes go on when it is lifted", async () => {
    const stop = policy({ Sid: "Freeze", Effect: "Deny", Action: "ecr:PutImage", Resource: "*" });
    const inline = ["--user-name", "ci", "--policy-name", "freeze"];
    await root.json("iam", "put-user-policy", ...inline, "--policy-document", stop);
    await buildBusybox(world, docker, "denied");
    const output = await push(docker, "built:denied", `${image}:v3`, { config: "ci", fails: true });
    const expected = `User: arn:aws:iam::${world.account}:user/ci is not authorized to perform: ecr:PutImage on resource: ${arn} with an explicit deny in an identity-based policy`;
    contains(output, expected, "push");
    const { EvaluationResults } = await root.json("iam", "simulate-principal-policy", ...simulated(world, arn));
    const [result] = EvaluationResults as Json[];
    equal(result.EvalDecision, "explicitDeny", "EvalDecision");
    await root.json("iam", "delete-user-policy", ...inline);
    await push(docker, "built:denied", `${image}:v3`, { config: "ci" });
  });
  await world.check("a registry's policy denies everybody", async () => {
    const text = policy({ Effect: "Deny", Principal: "*", Action: "ecr:PutImage", Resource: arn });
    await root.json("ecr", "put-registry-policy", "--policy-text", text);
    const output = await push(docker, "built:denied", `${image}:v4`, { config: "ci", fails: true });
    contains(output, "with an explicit deny in a resource-based policy", "push");
    await root.json("ecr", "delete-registry-policy");
  });
  await world.check("a repository's policy lets somebody pull who has no policy", async () => {
    const text = policy({
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${world.account}:user/ci` },
      Action: PULL,
    });
    await root.json("ecr", "set-repository-policy", "--repository-name", REPOSITORY, "--policy-text", text);
    await docker(["pull", `${image}:v1`], { config: "ci" });
    equal(root.as(keys).env.AWS_ACCESS_KEY_ID, keys.AccessKeyId, "the caller");
    await root.json("ecr", "delete-repository-policy", "--repository-name", REPOSITORY);
  });
}

const simulated = ({ account }: World, arn: string) => [
  "--policy-source-arn",
  `arn:aws:iam::${account}:user/ci`,
  "--action-names",
  "ecr:PutImage",
  "--resource-arns",
  arn,
];

/** The trail has every call with its decision. */
async function whyWasItDenied({ world, root }: Story, keys: Keys): Promise<void> {
  await world.check("cloudtrail lookup-events shows who was denied what, and why", async () => {
    await root.as(keys).refused("ecr", "describe-repositories");
    const attribute = ["--lookup-attributes", "AttributeKey=EventName,AttributeValue=DescribeRepositories"];
    const { Events } = await root.json("cloudtrail", "lookup-events", ...attribute);
    const records = (Events as Json[]).map((event) => JSON.parse(event.CloudTrailEvent));
    const denied = records.find((record) => record.userIdentity.userName === "ci");
    equal(denied?.errorCode, "AccessDenied", "errorCode");
    contains(denied.errorMessage, "no identity-based policy allows", "errorMessage");
  });
}

async function revokedKeyIsCutOff(story: Story, keys: Keys): Promise<void> {
  const { world, root, docker, image } = story;
  await world.check(
    "a key that is switched off cuts Docker off within a second, though its token runs 12 h",
    async () => {
      const password = await root.as(keys).text("ecr", "get-login-password");
      const authorization = `Basic ${btoa(`AWS:${password}`)}`;
      const ask = () => fetch(`${world.url}/v2/`, { headers: { authorization } });
      equal((await ask()).status, 200, "status before");
      const update = ["--user-name", "ci", "--access-key-id", keys.AccessKeyId, "--status", "Inactive"];
      await root.json("iam", "update-access-key", ...update);
      const since = performance.now();
      while ((await ask()).status === 200) holds(performance.now() - since < 5_000, "still open after 5 s");
      const elapsedMs = performance.now() - since;
      world.note(`refused ${elapsedMs.toFixed(0)} ms after the answer to update-access-key`);
      holds(elapsedMs < 1_000, `open for ${elapsedMs.toFixed(0)} ms`);
      const output = await push(docker, "built:denied", `${image}:v5`, { config: "ci", fails: true });
      contains(output, /unauthorized|Not Authorized|no basic auth credentials|401|403|denied/i, "push");
      contains(await root.as(keys).refused("ecr", "describe-registry"), "UnrecognizedClientException", "API");
    },
  );
}
