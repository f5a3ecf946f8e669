import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientConfig } from "../../client-config.ts";
import type { Api, QueryCall } from "./client.ts";
import { findSigner } from "./credentials.ts";

const root = mkdtempSync(join(tmpdir(), "berth-credentials-"));
afterAll(() => rmSync(root, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(mkdtempSync(join(root, "dir-")), name);
  writeFileSync(path, content);
  return path;
}

const jwt = (sub: string) => `e30.${Buffer.from(JSON.stringify({ sub })).toString("base64url")}.c2ln`;
const calls: QueryCall[] = [];
/** STS, which gives everybody the same session. */
const api: Api = {
  json: () => Promise.reject(new Error("nobody asks")),
  async query(call) {
    calls.push(call);
    const members = {
      AccessKeyId: "ASIA",
      SecretAccessKey: "s",
      SessionToken: "t+/=",
      Expiration: "2030-01-01T00:00:00Z",
    };
    return Object.entries(members)
      .map(([name, value]) => `<${name}>${value}</${name}>`)
      .join("");
  },
};
const find = (env: Record<string, string>, home = root) => findSigner(clientConfig({ env, home }), api);

const inEnvironment = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "env", AWS_SESSION_TOKEN: "session" };
const inToken = () => ({
  AWS_WEB_IDENTITY_TOKEN_FILE: file("token", `${jwt("system:serviceaccount:team:builder")}\n`),
  AWS_ROLE_ARN: "arn:aws:iam::000000000000:role/push",
});
const inProfile = () => ({
  AWS_SHARED_CREDENTIALS_FILE: file(
    "credentials",
    "[default]\r\naws_access_key_id = AKIAFILE\r\naws_secret_access_key=a=b\r\n# end\r\n",
  ),
});
const locally = () => {
  const path = file("credentials", "[default]\naws_access_key_id = AKIALOCAL\naws_secret_access_key = local\n");
  return { BERTH_DATA: join(path, "..") };
};

test("environment before web identity before profile before the Berth of this machine", async () => {
  const all = { ...inEnvironment, ...inToken(), ...inProfile(), ...locally() };
  const keysOf = async (env: Record<string, string>) => (await find(env))?.keys();
  expect(await keysOf(all)).toEqual({ accessKeyId: "AKIAENV", secretAccessKey: "env", sessionToken: "session" });
  expect(await keysOf({ ...inToken(), ...inProfile(), ...locally() })).toMatchObject({ accessKeyId: "ASIA" });
  expect(await keysOf({ ...inProfile(), ...locally() })).toEqual({ accessKeyId: "AKIAFILE", secretAccessKey: "a=b" });
  expect(await keysOf(locally())).toEqual({ accessKeyId: "AKIALOCAL", secretAccessKey: "local" });
  expect(await find({})).toBeUndefined();
});

test("a role is assumed with the token of the file, in a session that tells whose it is", async () => {
  const env = inToken();
  const signer = await find(env);
  expect(await signer?.keys()).toEqual({
    accessKeyId: "ASIA",
    secretAccessKey: "s",
    sessionToken: "t+/=",
    expiresAt: new Date("2030-01-01T00:00:00Z"),
  });
  expect(calls.at(-1)).toMatchObject({
    service: "sts",
    action: "AssumeRoleWithWebIdentity",
    input: {
      RoleArn: env.AWS_ROLE_ARN,
      RoleSessionName: "team-builder",
      WebIdentityToken: jwt("system:serviceaccount:team:builder"),
    },
  });
  await (await find({ ...env, AWS_ROLE_SESSION_NAME: "mine" }))?.keys();
  expect(calls.at(-1)?.input.RoleSessionName).toBe("mine");
  await (await find({ ...env, AWS_WEB_IDENTITY_TOKEN_FILE: file("token", "not a token") }))?.keys();
  expect(calls.at(-1)?.input.RoleSessionName).toBe("berth");
});

test("two principals have two ids, and no id has a token in it", async () => {
  const one = await find(inToken());
  const other = await find({
    ...inToken(),
    AWS_WEB_IDENTITY_TOKEN_FILE: file("token", jwt("system:serviceaccount:team:other")),
  });
  expect(one?.id).not.toBe(other?.id as string);
  expect(one?.id).not.toContain(jwt("system:serviceaccount:team:builder"));
});

test("what somebody points at and is not there is told", async () => {
  await expect(find({ ...inProfile(), AWS_PROFILE: "ci" })).rejects.toThrow(
    "there is no key pair of the profile ci in ",
  );
  const empty = { ...inToken(), AWS_WEB_IDENTITY_TOKEN_FILE: file("token", "\n") };
  await expect(find(empty)).rejects.toThrow("there is no token in AWS_WEB_IDENTITY_TOKEN_FILE");
});
