import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand, ECRClient } from "@aws-sdk/client-ecr";
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { runProgram, startServing } from "./support/program.ts";

/**
 * The recipes of docs/web-identity.md, with the policies as they stand there: a platform's token is made by a real
 * issuer, and the helpers turn it into what Docker and kubelet push and pull with.
 */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-web-identity-"));
const newFolder = (name: string) => mkdtempSync(join(root, `${name}-`));
const keys = { accessKeyId: "AKIAWEBIDENTITYTEST0", secretAccessKey: "a secret of the tests" };
const account = "000000000000";
const audience = "https://registry.example.com";
const subjects = {
  github: "repo:acme/app:ref:refs/heads/main",
  gitlab: "project_path:acme/app:ref_type:branch:ref:main",
  kubernetes: "system:serviceaccount:team:app",
};
type Platform = keyof typeof subjects;
const platforms = Object.keys(subjects) as Platform[];
const roleOf = (platform: Platform) => `arn:aws:iam::${account}:role/${platform}`;

let issuer: Awaited<ReturnType<typeof startIssuer>>;
let berth: Awaited<ReturnType<typeof startServing>>;
let host: string;
beforeAll(async () => {
  issuer = await startIssuer();
  berth = await startServing(newFolder("server"), {
    BERTH_ROOT_ACCESS_KEY_ID: keys.accessKeyId,
    BERTH_ROOT_SECRET_ACCESS_KEY: keys.secretAccessKey,
    BERTH_OIDC_ALLOW_INSECURE_ISSUERS: "true",
    BERTH_OIDC_ALLOW_PRIVATE_ISSUERS: "true",
  });
  host = new URL(berth.url).host;
  await setUp();
});
afterAll(async () => {
  await berth.stop();
  issuer.stop();
  rmSync(root, { recursive: true });
});

/** A platform: tokens signed with a key that it publishes. */
async function startIssuer() {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "1", alg: "RS256", use: "sig" };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request): Response {
      const url = `http://127.0.0.1:${server.port}`;
      const { pathname } = new URL(request.url);
      if (pathname === "/.well-known/openid-configuration")
        return Response.json({ issuer: url, jwks_uri: `${url}/keys` });
      return pathname === "/keys" ? Response.json({ keys: [jwk] }) : new Response(null, { status: 404 });
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    url,
    name: `127.0.0.1:${server.port}`,
    token: (sub: string, aud = audience) =>
      new SignJWT({})
        .setProtectedHeader({ alg: "RS256", kid: "1" })
        .setIssuer(url)
        .setSubject(sub)
        .setAudience(aud)
        .setIssuedAt()
        .setExpirationTime("10m")
        .sign(privateKey),
    stop: () => server.stop(true),
  };
}

/** What the page says, with the test's issuer in place of the platform's. */
const page = readFileSync(join(import.meta.dir, "..", "docs", "web-identity.md"), "utf8");
const issuers: Record<Platform, string> = {
  github: "token.actions.githubusercontent.com",
  gitlab: "gitlab.com",
  kubernetes: "k8s.example.com",
};

function written(pattern: RegExp, platform?: Platform): string {
  const [, text] = pattern.exec(page) ?? [];
  if (text === undefined) throw new Error(`docs/web-identity.md has no ${pattern}`);
  return platform ? text.replaceAll(issuers[platform], issuer.name) : text;
}

function trustOf(platform: Platform): string {
  if (platform === "github") return written(/cat > trust\.json <<'JSON'\n(.*?)\nJSON/s, platform);
  const chapter = { gitlab: "## GitLab CI", kubernetes: "## Kubernetes" }[platform];
  const members = written(new RegExp(`${chapter}\n.*?\`\`\`json\n(.*?)\`\`\``, "s"), platform);
  return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",${members}}}`;
}

async function setUp() {
  const config = { region: "us-east-1", endpoint: berth.url, credentials: keys };
  const [iam, ecr] = [new IAMClient(config), new ECRClient(config)];
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: [audience, "another"] }));
  const push = written(/cat > push\.json <<'JSON'\n(.*?)\nJSON/s);
  for (const platform of platforms) {
    await iam.send(new CreateRoleCommand({ RoleName: platform, AssumeRolePolicyDocument: trustOf(platform) }));
    await iam.send(new PutRolePolicyCommand({ RoleName: platform, PolicyName: "push", PolicyDocument: push }));
  }
  for (const repositoryName of ["team/app", "other/app"])
    await ecr.send(new CreateRepositoryCommand({ repositoryName }));
}

async function pushedTo(repository: string, username: string, password: string): Promise<number> {
  const authorization = `Basic ${btoa(`${username}:${password}`)}`;
  const config = "{}";
  const digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
  const put = (path: string, type: string, body: string, method = "PUT") =>
    fetch(`${berth.url}/v2/${repository}/${path}`, { method, headers: { authorization, "content-type": type }, body });
  const blob = await put(`blobs/uploads/?digest=${digest}`, "application/octet-stream", config, "POST");
  if (blob.status !== 201) return blob.status;
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: config.length };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] });
  return (
    await put(`manifests/${createHash("sha256").update(repository).digest("hex").slice(0, 8)}`, mediaType, manifest)
  ).status;
}

const environmentOf = (platform: Platform, token: string) => {
  const file = join(newFolder("job"), "web-identity");
  writeFileSync(file, token, { mode: 0o600 });
  return {
    HOME: newFolder("home"),
    AWS_ENDPOINT_URL: berth.url,
    AWS_REGION: "us-east-1",
    AWS_ROLE_ARN: roleOf(platform),
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
  };
};

describe("docker-credential-berth in a job", () => {
  test.each(platforms)("%s: pushes where the role may, and nowhere else", async (platform) => {
    const env = environmentOf(platform, await issuer.token(subjects[platform]));
    const { out, err, code } = await runProgram("docker-credential-berth", ["get"], { input: host, env });
    expect({ err, code }).toEqual({ err: "", code: 0 });
    const { Username, Secret } = JSON.parse(out);
    expect(await pushedTo("team/app", Username, Secret)).toBe(201);
    expect(await pushedTo("other/app", Username, Secret)).toBe(403);

    // It is kept no longer than the session lives.
    const [file = ""] = readdirSync(join(env.HOME, ".berth", "tokens"));
    const { expiresAt } = JSON.parse(readFileSync(join(env.HOME, ".berth", "tokens", file), "utf8"));
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(3_600_000);
  });

  test.each<[what: string, platform: Platform, subject: string, aud: string | undefined, says: string]>([
    ["another subject", "github", "repo:acme/app:pull_request", undefined, "AccessDenied"],
    ["another repository's", "github", "repo:acme/app2:ref:refs/heads/main", undefined, "AccessDenied"],
    ["another platform's role", "gitlab", subjects.github, undefined, "AccessDenied"],
    ["a token for another client of the issuer", "github", subjects.github, "another", "AccessDenied"],
    ["a token for somebody else", "github", subjects.github, "sts.amazonaws.com", "InvalidIdentityToken"],
  ])("%s is refused", async (_what, platform, subject, aud, says) => {
    const token = await issuer.token(subject, aud);
    const env = environmentOf(platform, token);
    const { out, code } = await runProgram("docker-credential-berth", ["get"], { input: host, env });
    expect(code).toBe(1);
    expect(out).toContain(`${berth.url} refused AssumeRoleWithWebIdentity: ${says}`);
    expect(out).not.toContain(token);
  });
});

describe("berth-credential-provider with a service account's token", () => {
  const provide = async (more: object, env: Record<string, string> = {}) =>
    runProgram("berth-credential-provider", [], {
      input: JSON.stringify({
        apiVersion: "credentialprovider.kubelet.k8s.io/v1",
        kind: "CredentialProviderRequest",
        image: `${host}/team/app:1`,
        ...more,
      }),
      // The node has keys of its own, which are nobody else's.
      env: {
        HOME: newFolder("home"),
        BERTH_ENDPOINT: berth.url,
        AWS_ACCESS_KEY_ID: keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
        ...env,
      },
    });

  test.each(["berth/role-arn", "eks.amazonaws.com/role-arn"])(
    "gives the role of the annotation %s",
    async (annotation) => {
      const serviceAccountToken = await issuer.token(subjects.kubernetes);
      const serviceAccountAnnotations = { [annotation]: roleOf("kubernetes") };
      const { out, err, code } = await provide({ serviceAccountToken, serviceAccountAnnotations });
      expect({ err, code }).toEqual({ err: "", code: 0 });
      const { auth, cacheKeyType, cacheDuration } = JSON.parse(out);
      expect(cacheKeyType).toBe("Registry");
      // Half of the session's hour.
      expect(Number.parseInt(cacheDuration, 10)).toBeGreaterThan(1700);
      expect(Number.parseInt(cacheDuration, 10)).toBeLessThanOrEqual(1800);
      const { username, password } = auth[host];
      expect(await pushedTo("team/app", username, password)).toBe(201);
      expect(await pushedTo("other/app", username, password)).toBe(403);
    },
  );

  test("a role that the token may not assume gives nothing, and not the node's", async () => {
    const serviceAccountToken = await issuer.token("system:serviceaccount:other:app");
    const serviceAccountAnnotations = { "berth/role-arn": roleOf("kubernetes") };
    const { out, err, code } = await provide({ serviceAccountToken, serviceAccountAnnotations });
    expect({ out, code }).toEqual({ out: "", code: 1 });
    expect(err).toContain("refused AssumeRoleWithWebIdentity: AccessDenied");
    expect(err).not.toContain(serviceAccountToken);
  });
});

describe("berth explain by a session", () => {
  const explain = async (args: string[]) => {
    const env = environmentOf("github", await issuer.token(subjects.github));
    return runProgram("berth", ["explain", ...args], { env, cwd: newFolder("cwd") });
  };

  test("what it may not do, with what would help", async () => {
    const resource = `arn:aws:ecr:us-east-1:${account}:repository/other/app`;
    const { out, err, code } = await explain(["--action", "ecr:PutImage", "--resource", resource]);
    expect({ err, code }).toEqual({ err: "", code: 0 });
    expect(out).toStartWith("Denied, because no identity-based policy allows the ecr:PutImage action\n");
    expect(out).toMatch(/principal +arn:aws:sts::000000000000:assumed-role\/github\//);
    expect(out).toMatch(/policies of the principal +do not allow it/);
    expect(out).toContain(`Allow ecr:PutImage on ${resource} in a policy of arn:aws:sts`);
  });

  test("what it may do, and by which statement", async () => {
    const resource = `arn:aws:ecr:us-east-1:${account}:repository/team/app`;
    const { out } = await explain(["--action", "ecr:PutImage", "--resource", resource, "--json"]);
    const { allowed, statement, withheld } = JSON.parse(out);
    expect({ allowed, withheld }).toEqual({ allowed: true, withheld: true });
    expect(statement).toMatchObject({ policyKind: "identity", index: 1 });
  });

  test("others are not its to ask about", async () => {
    const { err, code } = await explain(["--principal", roleOf("gitlab"), "--action", "ecr:PutImage"]);
    expect(code).toBe(1);
    expect(err).toContain(`is not authorized to perform: iam:SimulatePrincipalPolicy on resource: ${roleOf("gitlab")}`);
  });
});
