import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram, startServing } from "./support/program.ts";

/** The helpers as Docker and kubelet run them: real executables, their real protocol, a real server. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-helpers-"));
const keys = { AWS_ACCESS_KEY_ID: "AKIAHELPERSTEST00000", AWS_SECRET_ACCESS_KEY: "a secret of the tests" };
let berth: Awaited<ReturnType<typeof startServing>>;
beforeAll(async () => {
  berth = await startServing(mkdtempSync(join(root, "server-")), {
    BERTH_ROOT_ACCESS_KEY_ID: keys.AWS_ACCESS_KEY_ID,
    BERTH_ROOT_SECRET_ACCESS_KEY: keys.AWS_SECRET_ACCESS_KEY,
  });
});
afterAll(async () => {
  await berth.stop();
  rmSync(root, { recursive: true });
});

const newHome = () => mkdtempSync(join(root, "home-"));
const hostOf = (url: string) => url.replace("http://", "");
const tokensIn = (home: string) => readdirSync(join(home, ".berth", "tokens"));
const calls = () => berth.lines.filter(({ operation }) => operation === "GetAuthorizationToken").length;
/** The log comes by a pipe of its own. */
async function expectCalls(count: number) {
  for (let tries = 0; calls() < count && tries < 200; tries++) await Bun.sleep(10);
  expect(calls()).toBe(count);
}

/** Whether the registry takes the credentials. */
async function opens(username: string, password: string): Promise<number> {
  const authorization = `Basic ${btoa(`${username}:${password}`)}`;
  return (await fetch(`${berth.url}/v2/`, { headers: { authorization } })).status;
}

describe("docker-credential-berth", () => {
  const helper = (action: string, input = "", env: Record<string, string> = {}) =>
    runProgram("docker-credential-berth", [action], { input, env: { HOME: newHome(), ...env } });
  const notFound = { out: "credentials not found in native keychain\n", code: 1 };

  test("get answers with a token that opens the registry", async () => {
    const host = hostOf(berth.url);
    const { out, err, code } = await helper("get", `${host}\n`, { BERTH_ENDPOINT: berth.url, ...keys });
    expect({ err, code }).toEqual({ err: "", code: 0 });
    const { ServerURL, Username, Secret } = JSON.parse(out);
    expect({ ServerURL, Username }).toEqual({ ServerURL: host, Username: "AWS" });
    expect(await opens(Username, Secret)).toBe(200);
    expect(out).not.toContain(keys.AWS_SECRET_ACCESS_KEY);
  });

  test("get takes a server as URL, and finds endpoint and keys in files", async () => {
    const home = newHome();
    mkdirSync(join(home, ".berth"));
    mkdirSync(join(home, ".aws"));
    const { port } = new URL(berth.url);
    writeFileSync(
      join(home, ".berth", "helper.yaml"),
      `endpoint: ${berth.url}\nhosts: ["127.0.0.1:${port}", "*.dkr.ecr.*.berth.test:${port}"]\n`,
    );
    writeFileSync(
      join(home, ".aws", "credentials"),
      `[other]\naws_access_key_id = X\naws_secret_access_key = Y\n[ci]\naws_access_key_id=${keys.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${keys.AWS_SECRET_ACCESS_KEY}\n`,
    );
    const env = { HOME: home, AWS_PROFILE: "ci" };
    const plain = await helper("get", `http://127.0.0.1:${port}/v2/`, env);
    expect(await opens("AWS", JSON.parse(plain.out).Secret)).toBe(200);
    expect(await helper("list", "", env)).toEqual({ out: `{"127.0.0.1:${port}":"AWS"}\n`, err: "", code: 0 });

    // The token is for the region that the host names, so the default region's registry does not take it.
    const server = `000000000000.dkr.ecr.eu-west-1.berth.test:${port}`;
    const elsewhere = await helper("get", server, env);
    const { ServerURL, Secret } = JSON.parse(elsewhere.out);
    expect(ServerURL).toBe(server);
    const headers = { authorization: `Basic ${btoa(`AWS:${Secret}`)}`, host: server };
    expect((await fetch(`${berth.url}/v2/`, { headers })).status).toBe(200);
    expect(await opens("AWS", Secret)).not.toBe(200);
    expect(tokensIn(home)).toHaveLength(2);
  });

  test.each([
    "index.docker.io",
    "https://index.docker.io/v1/",
    "127.0.0.1",
    "127.0.0.1:1",
    "evil.example@127.0.0.1:PORT",
    "127.0.0.1:PORT@evil.example",
    "127.0.0.1:PORT.evil.example",
    "evil.example/127.0.0.1:PORT",
    "000000000000.dkr.ecr.us-east-1.amazonaws.com",
  ])("another server gets nothing: %s", async (server) => {
    const before = calls();
    const input = server.replace("PORT", new URL(berth.url).port);
    const { out, code } = await helper("get", input, { BERTH_ENDPOINT: berth.url, ...keys });
    expect({ out, code }).toEqual(notFound);
    await expectCalls(before);
  });

  test("without a key pair, or an endpoint, Docker goes on without", async () => {
    const host = hostOf(berth.url);
    const keyless = await helper("get", host, { BERTH_ENDPOINT: berth.url });
    expect(keyless).toEqual({
      ...notFound,
      err: `docker-credential-berth: there is no key pair to ask ${host} with\n`,
    });
    expect(await helper("get", host, keys)).toEqual({ ...notFound, err: "" });
  });

  test("what is refused is told on standard output, with endpoint and cause, and without a secret", async () => {
    const host = hostOf(berth.url);
    const env = { BERTH_ENDPOINT: berth.url, ...keys };
    const wrong = await helper("get", host, { ...env, AWS_SECRET_ACCESS_KEY: "no secret of ours" });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toStartWith(`berth: ${berth.url} refused GetAuthorizationToken: InvalidSignatureException: `);
    expect(wrong.out).not.toContain("no secret of ours");
    const deaf = await helper("get", "127.0.0.1:9", { ...env, BERTH_ENDPOINT: "http://127.0.0.1:9" });
    expect(deaf).toEqual({
      out: "berth: http://127.0.0.1:9 does not answer GetAuthorizationToken: nobody listens there\n",
      err: "",
      code: 1,
    });
    const misspelt = await helper("get", host, { ...env, BERTH_ENDPOINT: "127.0.0.1" });
    expect(misspelt.out).toContain("BERTH_ENDPOINT: allowed: http://HOST");
  });

  test("a redirect is not followed", async () => {
    using elsewhere = Bun.serve({ port: 0, fetch: () => Response.redirect(berth.url, 307) });
    const url = `http://127.0.0.1:${elsewhere.port}`;
    const before = calls();
    const { out, code } = await helper("get", hostOf(url), { BERTH_ENDPOINT: url, ...keys });
    expect(code).toBe(1);
    expect(out).toContain("refused GetAuthorizationToken: HTTP 307: a redirect");
    await expectCalls(before);
  });

  test("store, erase, version, and what is none of them", async () => {
    const env = { BERTH_ENDPOINT: berth.url, ...keys };
    const given = JSON.stringify({ ServerURL: hostOf(berth.url), Username: "AWS", Secret: "x" });
    expect(await helper("store", given, env)).toEqual({ out: "", err: "", code: 0 });
    expect(await helper("erase", hostOf(berth.url), env)).toEqual({ out: "", err: "", code: 0 });
    expect(await helper("version")).toEqual({ out: "docker-credential-berth 0.1.0\n", err: "", code: 0 });
    const other = await helper("constructor");
    expect(other).toEqual({
      out: "berth: usage: docker-credential-berth <get|list|store|erase|version>\n",
      err: "",
      code: 1,
    });
  });

  test("a token is kept where only its user can read it, and logging out forgets it", async () => {
    const home = newHome();
    const host = hostOf(berth.url);
    const env = { HOME: home, BERTH_ENDPOINT: berth.url, ...keys };
    const before = calls();
    const first = await helper("get", host, env);
    expect(await helper("get", host, env)).toEqual(first);
    await expectCalls(before + 1);
    const directory = join(home, ".berth", "tokens");
    const [file = "", ...others] = readdirSync(directory);
    expect(others).toEqual([]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, file), "utf8")).not.toContain(keys.AWS_SECRET_ACCESS_KEY);

    // A file that others could have read, or written, is not believed.
    chmodSync(join(directory, file), 0o644);
    await helper("get", host, env);
    await expectCalls(before + 2);
    expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    // Neither is one that has come to its half.
    const kept = JSON.parse(readFileSync(join(directory, file), "utf8"));
    expect(Date.parse(kept.expiresAt) - Date.now()).toBeGreaterThan(11 * 3600_000);
    expect(Date.parse(kept.renewAt) - Date.now()).toBeLessThan(6 * 3600_000);
    writeFileSync(join(directory, file), JSON.stringify({ ...kept, renewAt: new Date().toISOString() }));
    await helper("get", host, env);
    await expectCalls(before + 3);

    await helper("erase", host, env);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("another key pair is given a token of its own", async () => {
    const home = newHome();
    const env = { HOME: home, BERTH_ENDPOINT: berth.url, ...keys };
    await helper("get", hostOf(berth.url), env);
    const other = await helper("get", hostOf(berth.url), { ...env, AWS_ACCESS_KEY_ID: "AKIASOMEBODYELSE0000" });
    expect(other.out).toContain("UnrecognizedClientException");
  });

  test("the single executable is the helper under the helper's name", async () => {
    const directory = mkdtempSync(join(root, "build-"));
    const { scripts } = await Bun.file(join(import.meta.dir, "..", "package.json")).json();
    const build = scripts.build.replace("--outfile dist/berth", `--outfile ${directory}/berth`);
    expect(build).toContain(directory);
    const bun = `exec ${process.execPath} ${build.slice("bun ".length)}`;
    const built = Bun.spawn(["sh", "-c", bun], {
      cwd: join(import.meta.dir, ".."),
      stdout: "ignore",
      stderr: "ignore",
    });
    expect(await built.exited).toBe(0);
    symlinkSync("berth", join(directory, "docker-credential-berth"));
    const env = { HOME: newHome(), BERTH_ENDPOINT: berth.url, ...keys, PATH: directory };
    const input = Buffer.from(hostOf(berth.url));
    for (const command of [
      ["docker-credential-berth", "get"],
      ["berth", "docker-credential", "get"],
    ]) {
      // By a shell, as programs that look along PATH start it.
      const child = Bun.spawn(["/bin/sh", "-c", command.join(" ")], { env, stdin: input, stdout: "pipe" });
      const { Username, Secret } = JSON.parse(await new Response(child.stdout).text());
      expect(await opens(Username, Secret)).toBe(200);
    }
  });

  test("many at once", async () => {
    const home = newHome();
    const env = { HOME: home, BERTH_ENDPOINT: berth.url, ...keys };
    const answers = await Promise.all(Array.from({ length: 8 }, () => helper("get", hostOf(berth.url), env)));
    for (const { out, code } of answers) {
      expect(code).toBe(0);
      expect(await opens("AWS", JSON.parse(out).Secret)).toBe(200);
    }
    expect(tokensIn(home)).toHaveLength(1);
  });
});

describe("berth-credential-provider", () => {
  const provider = (input: string | object, env: Record<string, string> = {}, args: string[] = []) =>
    runProgram("berth-credential-provider", args, {
      input: typeof input === "string" ? input : JSON.stringify(input),
      env: { HOME: newHome(), ...env },
    });
  const group = "credentialprovider.kubelet.k8s.io";
  const request = (image: string, more: object = {}) => ({
    apiVersion: `${group}/v1`,
    kind: "CredentialProviderRequest",
    image,
    ...more,
  });

  test.each(["v1", "v1beta1", "v1alpha1"])("answers %s in its version", async (version) => {
    const host = hostOf(berth.url);
    const asked = { ...request(`${host}/team/app:1`), apiVersion: `${group}/${version}` };
    const { out, err, code } = await provider(asked, { BERTH_ENDPOINT: berth.url, ...keys });
    expect({ err, code }).toEqual({ err: "", code: 0 });
    const { auth, cacheDuration, ...head } = JSON.parse(out);
    expect(head).toEqual({
      apiVersion: `${group}/${version}`,
      kind: "CredentialProviderResponse",
      cacheKeyType: "Registry",
    });
    expect(Object.keys(auth)).toEqual([host]);
    expect(await opens(auth[host].username, auth[host].password)).toBe(200);
    // Half of twelve hours.
    const [, seconds] = /^(\d+)s$/.exec(cacheDuration) ?? [];
    expect(Number(seconds)).toBeGreaterThan(21_000);
    expect(Number(seconds)).toBeLessThanOrEqual(21_600);
  });

  test("the settings may be in a file that kubelet's configuration names", async () => {
    const file = join(newHome(), "helper.yaml");
    writeFileSync(file, `endpoint: ${berth.url}\nregion: eu-central-1\n`);
    const { out, code } = await provider(request(`${hostOf(berth.url)}/app`), keys, ["--config", file]);
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(out).auth)).toEqual([hostOf(berth.url)]);
  });

  test("another registry's image gets nothing", async () => {
    const before = calls();
    const env = { BERTH_ENDPOINT: berth.url, ...keys };
    for (const image of ["busybox", "docker.io/library/busybox:1", `evil.example/${hostOf(berth.url)}/app`]) {
      const { out, code } = await provider(request(image), env);
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ cacheDuration: "0s", auth: {} });
    }
    await expectCalls(before);
  });

  test("what goes wrong is told on standard error, without what was sent", async () => {
    const env = { BERTH_ENDPOINT: berth.url, ...keys };
    const image = `${hostOf(berth.url)}/app`;
    const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    const wrong: [input: string | object, env: Record<string, string>, says: string][] = [
      [token, env, "it is not JSON"],
      ["{}", env, "no CredentialProviderRequest with an image"],
      [{ ...request(image), apiVersion: `${group}/v2` }, env, "apiVersion must be one of"],
      [request(image), { BERTH_ENDPOINT: berth.url }, "there is no key pair"],
      [request(image), { ...env, AWS_SECRET_ACCESS_KEY: "no secret of ours" }, "InvalidSignatureException"],
      [request(image, { serviceAccountToken: token }), env, "none of the annotations berth/role-arn and eks"],
    ];
    for (const [input, variables, says] of wrong) {
      const { out, err, code } = await provider(input, variables);
      expect({ out, code }).toEqual({ out: "", code: 1 });
      expect(err).toContain(says);
      expect(err).not.toContain(token);
      expect(err).not.toContain("no secret of ours");
    }
  });
});
