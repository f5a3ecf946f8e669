import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { type Aws, openAws, policy } from "./aws.ts";
import type { World } from "./client.ts";
import { buildBusybox, type Docker, findDocker, push, startDaemon } from "./dockerd.ts";
import { contains } from "./expect.ts";
import { version } from "./process.ts";

/** A CI job without a stored secret: the token of its issuer becomes a session, and Docker pushes with it. */
export const name = "web-identity";
export const installedByCi = true;
export const needsRoot = true;
export const timeoutMs = 300_000;

export async function find(): Promise<string | undefined> {
  const [aws, docker] = [await version(["aws", "--version"]), await findDocker()];
  return aws && docker ? `AWS CLI ${aws}, Docker ${docker}` : undefined;
}

const AUDIENCE = "sts.amazonaws.com";
const SUBJECT = "repo:acme/app:ref:refs/heads/main";
const REPOSITORY = "keyless/app";

interface Job {
  readonly world: World;
  readonly root: Aws;
  readonly docker: Docker;
  readonly issuer: TestIssuer;
  readonly role: string;
}

export async function run(world: World): Promise<void> {
  const root = openAws(world);
  const docker = await startDaemon(world);
  const issuer = startIssuer();
  world.atEnd(() => issuer[Symbol.asyncDispose]() as Promise<void>);
  const repository = await world.repository(REPOSITORY);
  await buildBusybox(world, docker, "keyless");
  const role = await roleFor(world, root, issuer);
  const job: Job = { world, root, docker, issuer, role };
  for (const algorithm of ["RS256", "ES256"] as const) {
    await world.check(`docker push with a session from a token that is signed with ${algorithm}`, async () => {
      const session = await assume(job, issuer.token({ sub: SUBJECT, aud: AUDIENCE }, { algorithm }));
      const password = await session.text("ecr", "get-login-password");
      const login = ["login", "--username", "AWS", "--password-stdin", world.host];
      contains(await docker(login, { input: password, config: algorithm }), "Login Succeeded", "login");
      const image = `${repository}:${algorithm.toLowerCase()}`;
      contains(await push(docker, "built:keyless", image, { config: algorithm }), "digest: sha256:", "push");
    });
  }
  await refusals(job);
}

async function roleFor(world: World, root: Aws, issuer: TestIssuer): Promise<string> {
  const created = await root.json(
    "iam",
    "create-open-id-connect-provider",
    "--url",
    issuer.issuer,
    "--client-id-list",
    AUDIENCE,
  );
  const trust = policy({
    Effect: "Allow",
    Principal: { Federated: created.OpenIDConnectProviderArn },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: { StringEquals: { [`${issuer.url}:aud`]: AUDIENCE, [`${issuer.url}:sub`]: SUBJECT } },
  });
  const roleArgs = ["--role-name", "keyless", "--assume-role-policy-document", trust];
  const { Role } = await root.json("iam", "create-role", ...roleArgs);
  const document = policy(
    { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Effect: "Allow",
      Action: ["ecr:*Layer*", "ecr:PutImage"],
      Resource: `arn:aws:ecr:${world.region}:${world.account}:repository/${REPOSITORY}`,
    },
  );
  await root.json(
    "iam",
    "put-role-policy",
    "--role-name",
    "keyless",
    "--policy-name",
    "p",
    "--policy-document",
    document,
  );
  return Role.Arn;
}

const arguments_ = (role: string, token: string) => [
  "sts",
  "assume-role-with-web-identity",
  "--role-arn",
  role,
  "--role-session-name",
  "job-1",
  "--web-identity-token",
  token,
];

async function assume({ root, role }: Job, token: string): Promise<Aws> {
  return root.as((await root.json(...arguments_(role, token))).Credentials);
}

async function refusals({ world, root, issuer, role }: Job): Promise<void> {
  const claims = { sub: SUBJECT, aud: AUDIENCE };
  const now = Math.floor(Date.now() / 1000);
  const stranger = startIssuer();
  world.atEnd(() => stranger[Symbol.asyncDispose]() as Promise<void>);
  const cases: [string, () => string, RegExp][] = [
    ["another audience", () => issuer.token({ ...claims, aud: "elsewhere" }), /InvalidIdentityToken/],
    ["another subject", () => issuer.token({ ...claims, sub: "repo:evil/app:ref:refs/heads/main" }), /AccessDenied/],
    ["another issuer", () => stranger.token(claims), /InvalidIdentityToken/],
    [
      "the issuer's name, signed by another",
      () => stranger.token({ ...claims, iss: issuer.issuer }),
      /InvalidIdentityToken/,
    ],
    ["a key that it does not have", () => issuer.token(claims, { forged: true }), /InvalidIdentityToken/],
    ["algorithm none", () => issuer.token(claims, { algorithm: "none" }), /InvalidIdentityToken/],
    ["a token that has expired", () => issuer.token({ ...claims, exp: now - 3600 }), /ExpiredToken/],
    ["an unknown key", () => issuer.token(claims, { forged: true, header: { kid: "nobody" } }), /InvalidIdentityToken/],
  ];
  for (const [what, token, expected] of cases) {
    await world.check(`refused: ${what}`, async () => {
      contains(await root.refused(...arguments_(role, token())), expected, "error");
    });
  }
  await world.check("the AWS CLI takes the token from a file by itself", async () => {
    const file = join(world.folder, "token");
    await writeFile(file, issuer.token(claims));
    const { stdout } = await world.run(["aws", "sts", "get-caller-identity", "--output", "json"], {
      env: {
        AWS_ACCESS_KEY_ID: "",
        AWS_SECRET_ACCESS_KEY: "",
        AWS_ROLE_ARN: role,
        AWS_WEB_IDENTITY_TOKEN_FILE: file,
        AWS_ROLE_SESSION_NAME: "from-file",
      },
    });
    contains(stdout, "assumed-role/keyless/from-file", "identity");
  });
}
