import { afterAll, afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { runProgram } from "../../test/support/program.ts";

/** `berth tls`, and a server that uses what it makes, as their users have them. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-cli-tls-"));
const program = join(import.meta.dir, "main.ts");
const folder = () => mkdtempSync(join(root, "cwd-"));
const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});
afterAll(() => rmSync(root, { recursive: true }));

interface Line {
  msg: string;
  level: string;
  pid?: number;
  [fact: string]: unknown;
}

async function serve(cwd: string, env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program], {
    cwd,
    env: {
      PATH: "/usr/bin:/bin",
      BERTH_LISTEN: "127.0.0.1:0",
      BERTH_METRICS_LISTEN: "127.0.0.1:0",
      BERTH_CREATE_ON_PUSH: "true",
      BERTH_ROOT_ACCESS_KEY_ID: "test",
      BERTH_ROOT_SECRET_ACCESS_KEY: "test",
      BERTH_TLS_CERTIFICATE: join("data", "tls", "server.crt"),
      BERTH_TLS_KEY: join("data", "tls", "server.key"),
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  started.push(child);
  const lines: Line[] = [];
  void (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) lines.push(JSON.parse(part));
    }
  })();
  const err = new Response(child.stderr).text();
  const said = (message: RegExp) => lines.filter(({ msg }) => message.test(msg));
  await until(() => said(/^listening$/).length > 0 || child.exitCode !== null, "it listens");
  return { child, err, said, url: String(said(/^listening$/)[0]?.url ?? (await err)) };
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(20);
  }
}

const files = (cwd: string) => {
  const at = (name: string) => join(cwd, "data", "tls", name);
  return { authority: at("ca.crt"), authorityKey: at("ca.key"), certificate: at("server.crt"), key: at("server.key") };
};

/** The fingerprint of whom a new connection meets, if it is one that the authority vouches for. */
function met(url: string, authority: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { port } = new URL(url);
    const socket = connect(
      { port: Number(port), host: "127.0.0.1", servername: "localhost", ca: readFileSync(authority) },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      },
    );
    socket.on("error", () => resolve(undefined));
  });
}

const fingerprintOf = (file: string) => new X509Certificate(readFileSync(file)).fingerprint256;

test("init makes an authority and a certificate for the names in use, and says who needs what", async () => {
  const cwd = folder();
  const env = {
    BERTH_PUBLIC_URL: "https://{account}.dkr.ecr.{region}.registry.example.com:8443",
    BERTH_LISTEN: "192.0.2.7:8443",
    BERTH_REGIONS: "us-east-1,eu-west-1",
  };
  const { out, err, code } = await runProgram("berth", ["tls", "init", "--host", "Berth.internal", "--host", "::2"], {
    cwd,
    env,
  });
  expect([err, code]).toEqual(["", 0]);
  const { authority, authorityKey, certificate, key } = files(cwd);
  const [ca, server] = [authority, certificate].map((file) => new X509Certificate(readFileSync(file)));
  expect(ca?.ca).toBe(true);
  expect(server?.ca).toBe(false);
  expect(ca && server?.verify(ca.publicKey)).toBe(true);
  for (const name of [
    "000000000000.dkr.ecr.us-east-1.registry.example.com",
    "123456789012.dkr.ecr.eu-west-1.registry.example.com",
    "123456789012.dkr.ecr.eu-west-1.localhost",
    "berth.internal",
    "localhost",
  ]) {
    expect([name, server?.checkHost(name)]).not.toEqual([name, undefined]);
  }
  expect(server?.checkHost("000000000000.dkr.ecr.eu-north-1.registry.example.com")).toBeUndefined();
  for (const address of ["127.0.0.1", "::1", "192.0.2.7", "::2"]) expect(server?.checkIP(address)).toBe(address);
  expect([authority, authorityKey, certificate, key].map((file) => statSync(file).mode & 0o777)).toEqual([
    0o644, 0o600, 0o644, 0o600,
  ]);
  const host = "000000000000.dkr.ecr.us-east-1.registry.example.com:8443";
  for (const part of [
    `export BERTH_TLS_CERTIFICATE=${certificate}`,
    `export BERTH_TLS_KEY=${key}`,
    `/etc/docker/certs.d/${host}/ca.crt`,
    `/etc/containerd/certs.d/${host}/hosts.toml`,
    `/etc/containers/certs.d/${host}/ca.crt`,
    `export AWS_CA_BUNDLE=${authority}`,
    `export NODE_EXTRA_CA_CERTS=${authority}`,
    "update-ca-certificates",
  ]) {
    expect(out).toContain(part);
  }
});

test("init overwrites nothing unless told to; renew keeps the authority and the names", async () => {
  const cwd = folder();
  const run = (...args: string[]) => runProgram("berth", ["tls", ...args], { cwd });
  const { authority, authorityKey, certificate, key } = files(cwd);
  expect((await run("renew")).err).toContain(`${authority} is not there. \`berth tls init\` makes it`);
  expect((await run("init", "--host", "one.example.com")).code).toBe(0);
  const all = () => [authority, authorityKey, certificate, key].map((file) => readFileSync(file, "utf8"));
  const before = all();
  const again = await run("init");
  expect([again.code, again.err]).toEqual([1, expect.stringContaining(`${authority} is there already`)]);
  expect(all()).toEqual(before);

  const renewed = await run("renew", "--days", "30", "--host", "two.example.com");
  expect([renewed.err, renewed.code]).toEqual(["", 0]);
  const after = all();
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
  expect(after[3]).not.toBe(before[3] ?? "");
  const [ca, server] = [new X509Certificate(after[0] ?? ""), new X509Certificate(after[2] ?? "")];
  expect(server.verify(ca.publicKey)).toBe(true);
  expect(["one.example.com", "two.example.com"].map((name) => server.checkHost(name))).not.toContain(undefined);
  expect(Math.round((Date.parse(server.validTo) - Date.now()) / 86_400_000)).toBe(30);
  expect(statSync(key).mode & 0o777).toBe(0o600);

  expect((await run("init", "--force")).code).toBe(0);
  expect(readFileSync(authority, "utf8")).not.toBe(before[0] ?? "");
  writeFileSync(authorityKey, before[1] ?? "");
  expect((await run("renew")).err).toContain(`${authorityKey} is not the key of ${authority}`);
});

test.each([
  [["init", "--days", "826"], '--days: given "826"; allowed: a whole number from 1 to 825'],
  [["init", "--host", "a b"], '--host: given "a b"; allowed: a host name, *. and a host name, or an address'],
  [["init", "--host", "a.*.b"], '--host: given "a.*.b"; allowed'],
  [["client", "../a"], 'NAME: given "../a"; allowed'],
  [["client", "a", "--also", "cn:b"], '--also: given "cn:b"; allowed'],
  [["client", "a"], "ca.crt is not there. `berth tls init` makes it"],
])("tls %j is refused", async (args, message) => {
  const { err, code } = await runProgram("berth", ["tls", ...args], { cwd: folder() });
  expect([code, err]).toEqual([1, expect.stringContaining(message)]);
});

test("a server speaks HTTPS, says so, and takes a renewed certificate on SIGHUP", async () => {
  const cwd = folder();
  await runProgram("berth", ["tls", "init"], { cwd });
  const { authority, certificate, key } = files(cwd);
  const berth = await serve(cwd);
  const port = new URL(berth.url).port;
  expect(berth.url).toBe(`https://127.0.0.1:${port}`);
  expect(berth.said(/^listening$/)[0]?.publicUrl).toBe(`https://localhost:${port}`);
  expect(berth.said(/unencrypted|http:/)).toEqual([]);
  const first = fingerprintOf(certificate);
  expect(await met(berth.url, authority)).toBe(first);

  const env = { BERTH_TLS_CERTIFICATE: certificate, BERTH_TLS_KEY: key, BERTH_DATA: join(cwd, "data") };
  const pair = { BERTH_ROOT_ACCESS_KEY_ID: "test", BERTH_ROOT_SECRET_ACCESS_KEY: "test" };
  const shown = (await runProgram("berth", ["env"], { cwd, env: { ...env, ...pair } })).out;
  expect(shown).toContain("AWS_ENDPOINT_URL=https://localhost:5080 ");
  expect(shown).toContain(`AWS_CA_BUNDLE=${authority} NODE_EXTRA_CA_CERTS=${authority}`);

  await runProgram("berth", ["tls", "renew"], { cwd });
  berth.child.kill("SIGHUP");
  const second = fingerprintOf(certificate);
  expect(second).not.toBe(first);
  await until(async () => (await met(berth.url, authority)) === second, "the second certificate is in use");
  berth.child.kill("SIGTERM");
  expect(await berth.child.exited).toBe(0);
});

test("beyond loopback nothing is warned of, unless clients are sent to http://", async () => {
  const cwd = folder();
  await runProgram("berth", ["tls", "init"], { cwd });
  const warnings = async (publicUrl: string) => {
    const { child, said } = await serve(cwd, { BERTH_LISTEN: "0.0.0.0:0", BERTH_PUBLIC_URL: publicUrl });
    child.kill("SIGTERM");
    await child.exited;
    return said(/./)
      .filter(({ level }) => level === "warn")
      .map(({ msg }) => msg);
  };
  expect(await warnings("https://registry.example.com")).toEqual([]);
  expect(await warnings("http://registry.example.com")).toEqual([
    "the server speaks HTTPS only, and BERTH_PUBLIC_URL sends clients to http://",
  ]);
});

test("two workers take a renewed certificate, and one that is started later has it although the files are broken", async () => {
  const cwd = folder();
  await runProgram("berth", ["tls", "init"], { cwd });
  const { authority, certificate, key } = files(cwd);
  const berth = await serve(cwd, { BERTH_WORKERS: "2" });
  expect(await met(berth.url, authority)).toBe(fingerprintOf(certificate));

  await runProgram("berth", ["tls", "renew"], { cwd });
  const second = fingerprintOf(certificate);
  await until(() => berth.said(/certificate was renewed/).length > 0, "it notices by itself");
  const everyone = async () => Promise.all(Array.from({ length: 12 }, () => met(berth.url, authority)));
  await until(async () => (await everyone()).every((found) => found === second), "all workers have the second");

  writeFileSync(key, "broken");
  await until(() => berth.said(/TLS files cannot be used/).length > 0, "the broken key is logged");
  const pids = berth.said(/^a worker listens$/).map(({ pid = 0 }) => pid);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await until(() => berth.said(/^a worker listens$/).length === 4, "both are back");
  await until(async () => (await everyone()).every((found) => found === second), "they have the second");
});

test("client makes a certificate that stands for a user with each of two workers, until it is revoked", async () => {
  const cwd = folder();
  await runProgram("berth", ["tls", "init"], { cwd });
  const { authority } = files(cwd);
  const made = await runProgram("berth", ["tls", "client", "node-1", "--also", "uri:spiffe://example.org/n/1"], {
    cwd,
  });
  expect([made.err, made.code]).toEqual(["", 0]);
  const at = (name: string) => join(cwd, "data", "tls", name);
  expect(statSync(at("client-node-1.key")).mode & 0o777).toBe(0o600);
  for (const part of [
    `export BERTH_TLS_CLIENT_AUTHORITY=${authority}`,
    "BERTH_TLS_CLIENT_IDENTITIES=uri:spiffe://example.org/n/1=arn:aws:iam::000000000000:user/NAME",
    "/etc/docker/certs.d/localhost:5080/client.cert",
    "/etc/containers/certs.d/localhost:5080/client.key",
    "client = [[",
    `curl --cacert ${authority} --cert ${at("client-node-1.crt")}`,
  ]) {
    expect(made.out.replaceAll("'", "")).toContain(part);
  }
  const again = await runProgram("berth", ["tls", "client", "node-1"], { cwd });
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("client-node-1.crt is there already")]);

  writeFileSync(at("revoked"), "# none yet\n");
  const berth = await serve(cwd, {
    BERTH_WORKERS: "2",
    BERTH_TLS_CLIENT_AUTHORITY: authority,
    BERTH_TLS_CLIENT_CERTIFICATES: "required",
    BERTH_TLS_CLIENT_IDENTITIES: "uri:spiffe://example.org/n/*=arn:aws:iam::000000000000:user/node",
    BERTH_TLS_CLIENT_REVOKED: at("revoked"),
  });
  const [ca, cert, key] = [authority, at("client-node-1.crt"), at("client-node-1.key")].map((file) =>
    readFileSync(file),
  );
  const once = async (own: object) => {
    const headers = { connection: "close" };
    const answer = await fetch(`${berth.url}/v2/`, { headers, tls: { ca, ...own } });
    return `${answer.status} ${await answer.text()}`;
  };
  /** What is being opened in the moment of a change may be reset: each worker changes once. */
  const ask = async (own: object = { cert, key }): Promise<string> => {
    for (let resets = 0; ; resets++) {
      try {
        return await once(own);
      } catch (error) {
        if ((error as { code?: string }).code !== "ECONNRESET" || resets === 2) throw error;
      }
    }
  };
  // There is no such user: so much is known of whom it stands for.
  const everyone = async (own?: object) => [...new Set(await Promise.all(Array.from({ length: 8 }, () => ask(own))))];
  expect(await everyone()).toEqual([expect.stringMatching(/^403.*stands for arn:aws:iam::000000000000:user\/node/)]);
  expect(await everyone({})).toEqual([expect.stringMatching(/^403.*only clients that show a certificate/)]);

  const [, serial = ""] = /serial number ([0-9a-f]+)/.exec(made.out) ?? [];
  writeFileSync(at("revoked"), `${serial}\n`);
  await until(async () => (await everyone()).every((answer) => answer.includes("it was revoked")), "it is revoked");
  writeFileSync(at("revoked"), "not a number\n");
  await until(() => berth.said(/TLS files cannot be used/).length > 0, "the broken list is logged");
  expect(await ask()).toContain("it was revoked");
  berth.child.kill("SIGTERM");
  expect(await berth.child.exited).toBe(0);
});

test.each([
  [{ BERTH_TLS_KEY: "" }, "tls.certificate and tls.key (BERTH_TLS_CERTIFICATE): they belong together"],
  [{ BERTH_TLS_CERTIFICATE: "none.crt" }, "none.crt cannot be read: there is no such file"],
  [{ BERTH_TLS_KEY: join("data", "tls", "ca.key") }, "is not the key of the certificate in"],
  [{ BERTH_TLS_MIN_VERSION: "1.1" }, 'tls.minVersion (BERTH_TLS_MIN_VERSION): given "1.1"; allowed: one of 1.2, 1.3'],
])("a start with %j fails and says why", async (env, message) => {
  const cwd = folder();
  await runProgram("berth", ["tls", "init"], { cwd });
  const { child, err } = await serve(cwd, env);
  expect([await child.exited, await err]).toEqual([1, expect.stringContaining(message)]);
});
