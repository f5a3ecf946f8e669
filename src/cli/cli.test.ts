import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programIn, slowRequest } from "./testing.ts";

/** The program as its users have it: a process with an environment, output and signals. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(30_000);

const { folder, run, serve, killAtEnd } = programIn("cli");

test("the first start makes and shows a root key pair, the next one only says where it is", async () => {
  const first = await serve();
  const { cwd } = first;
  const credentials = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, id = "", secret = ""] = /aws_access_key_id = (\S+)\naws_secret_access_key = (\S+)/.exec(credentials) ?? [];
  expect(statSync(join(cwd, "data")).mode & 0o777).toBe(0o700);

  expect(await (await fetch(new URL("/healthz", first.url))).json()).toEqual({ status: "ok" });
  expect(await (await fetch(new URL("/readyz", first.url))).json()).toEqual({ status: "ready" });
  expect((await fetch(new URL("/v2/", first.url))).status).toBe(401);
  expect(
    (await fetch(new URL("/v2/", first.url), { headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` } }))
      .status,
  ).toBe(200);

  const { code, err } = await first.end();
  expect(code).toBe(0);
  expect(err).toContain(`Berth 0.1.0 listens on ${first.url.origin}\n`);
  expect(err).toContain(`  access key id      ${id}\n  secret access key  ${secret}\n`);
  expect(err).toContain(
    `${join(cwd, "data", "credentials")} | docker login --username ${id} --password-stdin localhost:${first.url.port}\n`,
  );
  expect(err).toContain(`  docker push localhost:${first.url.port}/hello:1\n`);
  expect(err).toContain('  eval "$(npx berth env)"\n  aws ecr create-repository --repository-name hello\n');
  expect(JSON.stringify(first.lines)).not.toContain(secret);
  expect(first.lines.map(({ msg }) => msg)).toEqual(["listening", "request", "request", "stopping", "stopped"]);

  const second = await serve(cwd);
  const again = await second.end();
  expect(again.err).not.toContain(secret);
  expect(again.err).toContain(`The root key pair is in ${join(cwd, "data", "credentials")}\n`);
});

test("the line for docker login pipes the secret, in every shell", async () => {
  const berth = await serve();
  const { err } = await berth.end();
  const [, pipe = ""] = /^ {2}(awk .*) \| docker login/m.exec(err) ?? [];
  const shell = Bun.spawn(["sh", "-c", pipe], { stdout: "pipe" });
  const secret = (await new Response(shell.stdout).text()).trim();
  expect(secret).toMatch(/^[A-Za-z0-9]{40}$/);
  expect(err).toContain(`secret access key  ${secret}`);
});

test("a stop lets a request in flight finish", async () => {
  const berth = await serve(undefined, {
    BERTH_CREATE_ON_PUSH: "true",
    BERTH_ROOT_ACCESS_KEY_ID: "test",
    BERTH_ROOT_SECRET_ACCESS_KEY: "test",
  });
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [],
  });
  const request = await slowRequest(
    berth.url,
    `PUT /v2/app/manifests/latest HTTP/1.1\r\nAuthorization: Basic ${btoa("test:test")}\r\nContent-Type: application/vnd.oci.image.index.v1+json`,
    index,
  );
  const ended = berth.end();
  await Bun.sleep(300);
  expect(berth.child.exitCode).toBeNull();
  request.finish();
  expect(await request.ended).toStartWith("HTTP/1.1 201 ");
  expect((await ended).code).toBe(0);
  expect(berth.lines.map(({ msg }) => msg)).toEqual(["listening", "stopping", "request", "stopped"]);
});

test("a second signal ends at once; the same one twice in a moment does not count", async () => {
  const berth = await serve();
  const request = await slowRequest(
    berth.url,
    "POST / HTTP/1.1\r\nX-Amz-Target: AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    "{      }",
  );
  berth.child.kill("SIGINT");
  berth.child.kill("SIGINT");
  while (berth.lines.at(-1)?.msg !== "stopping") await Bun.sleep(10);
  await Bun.sleep(600);
  expect(berth.child.exitCode).toBeNull();
  expect((await berth.end("SIGINT")).code).toBe(1);
  expect(berth.lines.at(-1)?.msg).toBe("stopping at once");
  await request.ended;
});

test("a grace of nothing cuts requests off and is still an orderly stop", async () => {
  const berth = await serve(undefined, { BERTH_SHUTDOWN_GRACE_SECONDS: "0" });
  const request = await slowRequest(
    berth.url,
    "POST / HTTP/1.1\r\nX-Amz-Target: AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    "{      }",
  );
  expect((await berth.end()).code).toBe(0);
  expect(await request.ended).toBe("");
});

test("npm start passes a stop on, and waits for it", async () => {
  const cwd = folder();
  writeFileSync(join(cwd, "empty.yaml"), "");
  const npm = Bun.spawn(["npm", "start", "--", "--config", join(cwd, "empty.yaml")], {
    cwd: join(import.meta.dir, "..", ".."),
    env: { PATH: process.env.PATH ?? "", BERTH_LISTEN: "127.0.0.1:0", BERTH_DATA: join(cwd, "data") },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  killAtEnd(npm);
  let said = "";
  for await (const chunk of npm.stdout.pipeThrough(new TextDecoderStream())) {
    said += chunk;
    if (said.includes('"listening"')) npm.kill("SIGTERM");
  }
  expect(said).toContain('"msg":"stopped"');
  expect(await npm.exited).toBe(0);
});

test("listening beyond the machine over plain HTTP is warned about, behind TLS it is not", async () => {
  const open = await serve(undefined, { BERTH_LISTEN: "0.0.0.0:0" });
  await open.end();
  expect(open.lines.find(({ level }) => level === "warn")?.msg).toContain("cross the network unencrypted");
  const proxied = await serve(undefined, {
    BERTH_LISTEN: "0.0.0.0:0",
    BERTH_PUBLIC_URL: "https://registry.example.com",
  });
  await proxied.end();
  expect(proxied.lines.filter(({ level }) => level === "warn")).toEqual([]);
});

test("a port that is taken", async () => {
  const berth = await serve();
  const cwd = folder();
  const { port } = berth.url;
  const { out, err, code } = await run([], cwd, { BERTH_LISTEN: `127.0.0.1:${port}` });
  expect({ out, err, code }).toEqual({
    out: "",
    err: `berth: port ${port} on 127.0.0.1 is taken by another program, perhaps another Berth. Stop that one, or set BERTH_LISTEN to another port, such as 127.0.0.1:${Number(port) + 1}\n`,
    code: 1,
  });
  // Nothing was made that the next start would not show.
  expect(await Bun.file(join(cwd, "data", "credentials")).exists()).toBe(false);
});

test("an address of another machine", async () => {
  const { err, code } = await run([], folder(), { BERTH_LISTEN: "203.0.113.9:5080" });
  expect(err).toBe(
    "berth: 203.0.113.9 is not an address of this machine. Set BERTH_LISTEN to one that is, such as 127.0.0.1:5080\n",
  );
  expect(code).toBe(1);
});

test("a data directory that cannot be", async () => {
  const cwd = folder();
  writeFileSync(join(cwd, "file"), "");
  const data = join(cwd, "file", "data");
  const { err, code } = await run(["serve"], cwd, { BERTH_DATA: data });
  expect(err).toBe(
    `berth: the data directory ${data} cannot be used: a part of its path is a file. Set BERTH_DATA to a directory that can be written\n`,
  );
  expect(code).toBe(1);
});

test("a configuration that is wrong, all of it at once", async () => {
  const cwd = folder();
  writeFileSync(join(cwd, "my.yaml"), "account: 1\ncolour: red\n");
  const { out, err, code } = await run(["serve", "--config", "my.yaml"], cwd, { BERTH_LISTN: "x" });
  expect({ out, err, code }).toEqual({
    out: "",
    err: `berth: the configuration cannot be used
  BERTH_LISTN: there is no such variable; did you mean BERTH_LISTEN?
  account (my.yaml line 1): given "1"; allowed: 12 digits
  colour (my.yaml line 2): there is no such key
`,
    code: 1,
  });
});

test("a database of a newer version", async () => {
  const cwd = folder();
  expect((await run(["migrate"], cwd)).out).toBe(`made the database ${join(cwd, "data", "berth.sqlite")}\n`);
  expect((await run(["migrate"], cwd)).out).toBe(`the database ${join(cwd, "data", "berth.sqlite")} is up to date\n`);
  const database = new Database(join(cwd, "data", "berth.sqlite"));
  database.run("insert into kysely_migration (name, timestamp) values ('9999_future', '2099')");
  database.close();
  for (const command of ["serve", "migrate"]) {
    const { err, code } = await run([command], cwd);
    expect(err).toMatch(/^berth: the database was changed by a newer version of Berth \(9999_future\)\..*\n$/);
    expect(code).toBe(1);
  }
});

test("a database that does not answer, without its password", async () => {
  const { out, err, code } = await run([], folder(), { BERTH_DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/berth" });
  expect(err).toMatch(/^berth: the database postgres:\/\/127\.0\.0\.1:1\/berth cannot be opened: .*ECONNREFUSED.*\n$/);
  expect(out + err).not.toContain("hunter2");
  expect(code).toBe(1);
});

test("a file that is no database", async () => {
  const cwd = folder();
  writeFileSync(join(cwd, "notes.txt"), "not a database ".repeat(100));
  const { err, code } = await run([], cwd, { BERTH_DATABASE_URL: "sqlite:notes.txt" });
  expect(err).toMatch(/^berth: the database .*notes\.txt cannot be opened: .*\n$/);
  expect(code).toBe(1);
});

test("a sealing key that others can read", async () => {
  const { cwd, end } = await serve();
  await end();
  chmodSync(join(cwd, "data", "keys", "sealing.key"), 0o644);
  const { err, code } = await run([], cwd);
  expect(err).toMatch(/^berth: .*sealing\.key can be read or written by others\. If nobody has, run: chmod 600 .*\n$/);
  expect(code).toBe(1);
});

test("env prints what a shell can take, and says when there is nothing yet", async () => {
  const cwd = folder();
  const early = await run(["env"], cwd);
  expect(early).toEqual({
    out: "",
    err: `berth: there is no root key pair in ${join(cwd, "data")} yet; the first \`berth serve\` makes it\n`,
    code: 1,
  });
  await (await serve(cwd)).end();
  const { out } = await run(["env"], cwd, { BERTH_LISTEN: "127.0.0.1:5080" });
  expect(out).toMatch(
    /^export AWS_ENDPOINT_URL=http:\/\/localhost:5080 AWS_ACCESS_KEY_ID=AKIA[A-Z2-7]{16} AWS_SECRET_ACCESS_KEY=[A-Za-z0-9]{40} AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1\nunset AWS_SESSION_TOKEN\n$/,
  );

  const awkward = "it's $HOME & more";
  const given = await run(["env"], folder(), {
    BERTH_ROOT_ACCESS_KEY_ID: "me",
    BERTH_ROOT_SECRET_ACCESS_KEY: awkward,
    BERTH_REGION: "eu-west-1",
    BERTH_ACCOUNT: "123456789012",
    BERTH_PUBLIC_URL: "https://{account}.dkr.ecr.{region}.example.com",
  });
  const script = `${given.out}printf '%s|%s' "$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL"`;
  const shell = Bun.spawn(["sh", "-c", script], { stdout: "pipe", env: { HOME: "/wrong" } });
  expect(await new Response(shell.stdout).text()).toBe(`${awkward}|https://123456789012.dkr.ecr.eu-west-1.example.com`);
});

test("help and version", async () => {
  expect((await run(["version"])).out).toMatch(/^berth 0\.1\.0 \(bun 1\./);
  expect((await run(["--version"])).out).toBe("0.1.0\n");
  expect((await run(["--help"])).out).toContain("run the registry");
  expect((await run(["serve", "--help"])).out).toMatch(/createOnPush +BERTH_CREATE_ON_PUSH +whether a push makes/);
  const unknown = await run(["sevre"]);
  expect(unknown.code).toBe(1);
});
