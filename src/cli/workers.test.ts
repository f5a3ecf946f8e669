import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteUserPolicyCommand,
  IAMClient,
  PutUserPolicyCommand,
  UpdateAccessKeyCommand,
} from "@aws-sdk/client-iam";
import { eachLogged, programIn, slowRequest } from "./testing.ts";

/** Berth as several processes: which of them answers is the kernel's choice, one for each connection. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(30_000);

const authorization = `Basic ${btoa("test:test")}`;
const program = programIn("workers", {
  BERTH_WORKERS: "3",
  BERTH_CREATE_ON_PUSH: "true",
  BERTH_ROOT_ACCESS_KEY_ID: "test",
  BERTH_ROOT_SECRET_ACCESS_KEY: "test",
});
const { folder } = program;

interface Line {
  msg: string;
  worker?: number;
  pid?: number;
  [fact: string]: unknown;
}

function spawn(args: string[], cwd: string, env: Record<string, string>) {
  const child = program.spawn(args, cwd, env);
  const lines: Line[] = [];
  const logged = eachLogged<Line>(child.stdout, (line) => lines.push(line));
  return { child, lines, logged, err: new Response(child.stderr).text() };
}

/** Starts and waits until all workers listen. */
async function serve(env: Record<string, string> = {}) {
  const { child, lines, logged, err } = spawn([], folder(), env);
  await until(() => lines.some(({ msg }) => msg === "listening") || child.exitCode !== null, "it listens");
  const url = String(lines.find(({ msg }) => msg === "listening")?.url ?? (await err));
  /** The processes of the workers, newest last. */
  const pids = () => lines.filter(({ msg }) => msg === "a worker listens").map(({ pid = 0 }) => pid);
  /** Which worker answered. */
  const workerOf = (answer: Response) => {
    const id = answer.headers.get("x-request-id");
    return lines.find(({ requestId }) => requestId === id)?.worker;
  };
  async function end(signal: NodeJS.Signals = "SIGTERM") {
    child.kill(signal);
    const code = await child.exited;
    await logged;
    return { code, err: await err };
  }
  return { child, lines, url, pids, workerOf, end };
}

type Berth = Awaited<ReturnType<typeof serve>>;

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(10);
  }
}

function isAlive(pid: number): boolean {
  // One that has ended and was not waited for is a zombie, state Z.
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** On a connection of its own, so that any worker may get it. */
function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization, connection: "close", ...init.headers };
  return fetch(url, { ...init, headers, keepalive: false });
}

async function expectStatus(answer: Response, status: number): Promise<Response> {
  if (answer.status !== status) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
}

async function pushImage(url: string, repository: string, tag: string): Promise<void> {
  const config = randomBytes(600);
  const begun = await expectStatus(await ask(`${url}/v2/${repository}/blobs/uploads/`, { method: "POST" }), 202);
  const upload = new URL(begun.headers.get("location") ?? "", url);
  upload.searchParams.set("digest", digestOf(config));
  await expectStatus(await ask(upload.href, { method: "PUT", body: config }), 201);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: 600 };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] });
  const put = { method: "PUT", headers: { "content-type": mediaType }, body: manifest };
  await expectStatus(await ask(`${url}/v2/${repository}/manifests/${tag}`, put), 201);
}

/** The image and everything in it. */
async function pullImage(url: string, repository: string, tag: string): Promise<void> {
  const manifest = await expectStatus(await ask(`${url}/v2/${repository}/manifests/${tag}`), 200);
  const { config } = (await manifest.json()) as { config: { digest: string } };
  const blob = await expectStatus(await ask(`${url}/v2/${repository}/blobs/${config.digest}`), 200);
  expect(digestOf(await blob.bytes())).toBe(config.digest);
}

/** Pushes an upload in pieces, each over a connection of its own. Answers which workers had a hand in it. */
async function pushInPieces(berth: Berth, pieces: Uint8Array[]): Promise<(number | undefined)[]> {
  const content = Buffer.concat(pieces);
  const answers = [await expectStatus(await ask(`${berth.url}/v2/app/blobs/uploads/`, { method: "POST" }), 202)];
  const location = () => new URL(answers.at(-1)?.headers.get("location") ?? "", berth.url);
  let at = 0;
  for (const piece of pieces) {
    const headers = { "content-range": `${at}-${at + piece.length - 1}`, "content-type": "application/octet-stream" };
    const patch = await ask(location().href, { method: "PATCH", headers, body: piece });
    answers.push(await expectStatus(patch, 202));
    at += piece.length;
  }
  const commit = location();
  commit.searchParams.set("digest", digestOf(content));
  answers.push(await expectStatus(await ask(commit.href, { method: "PUT" }), 201));
  const blob = await ask(`${berth.url}/v2/app/blobs/${digestOf(content)}`);
  expect(digestOf(await blob.bytes())).toBe(digestOf(content));
  await until(() => answers.every((answer) => berth.workerOf(answer) !== undefined), "all of it is in the log");
  return answers.map(berth.workerOf);
}

test("an upload may go to another worker with each of its requests", async () => {
  const berth = await serve();
  const seen = new Set<number | undefined>();
  let isMixed = false;
  for (let round = 0; round < 20 && !(isMixed && seen.size === 3); round++) {
    const workers = await pushInPieces(
      berth,
      [100, 70_000, 1, 1_500_000, 20, 9_000].map((size) => randomBytes(size)),
    );
    for (const worker of workers) seen.add(worker);
    isMixed ||= new Set(workers).size > 1 && workers[0] !== workers.at(-1);
  }
  expect(isMixed).toBe(true);
  expect([...seen].sort()).toEqual([1, 2, 3]);

  const { code, err } = await berth.end();
  expect(code).toBe(0);
  expect(err.match(/Berth .* listens on/g)).toHaveLength(1);
  expect(berth.lines.filter(({ msg }) => msg === "listening")).toHaveLength(1);
  expect(berth.lines.slice(-2).map(({ msg }) => msg)).toEqual(["stopping", "stopped"]);
  expect(berth.pids().filter(isAlive)).toEqual([]);
});

test("many push at once to one repository, and nobody is refused; the metrics are the sums", async () => {
  const metrics = await freePort();
  const berth = await serve({ BERTH_METRICS_LISTEN: `127.0.0.1:${metrics}` });
  const [clients, images] = [32, 3];
  await pushImage(berth.url, "many", "first");
  const client = async (number: number) => {
    for (let image = 0; image < images; image++) await pushImage(berth.url, "many", `c${number}-${image}`);
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const listed = (await (await ask(`${berth.url}/v2/many/tags/list`)).json()) as { tags: string[] };
  expect(listed.tags).toHaveLength(clients * images + 1);
  expect(berth.lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);

  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  const pushed = `berth_http_requests_total{surface="registry",operation="manifest.write",status="201"}`;
  expect(text).toContain(`${pushed} ${clients * images + 1}\n`);
  expect(text).toContain("berth_http_requests_in_flight 0\n");
  for (const worker of ["1", "2", "3", "supervisor"]) {
    expect(text).toContain(`process_resident_memory_bytes{worker="${worker}"} `);
  }
});

test("a worker that is killed is started again, and what was acknowledged is there", async () => {
  const metrics = await freePort();
  const berth = await serve({ BERTH_WORKERS: "2", BERTH_METRICS_LISTEN: `127.0.0.1:${metrics}` });
  await pushImage(berth.url, "app", "first");
  const countPushes = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    return Number(/operation="manifest.write",status="201"} (\d+)/.exec(text)?.[1]);
  };
  const acknowledged: string[] = [];
  let [failures, isOver] = [0, false];
  const client = async (number: number) => {
    for (let image = 0; !isOver; image++) {
      // As clients do it: a push that broke is pushed again.
      const isPushed = await pushImage(berth.url, "app", `c${number}-${image}`).then(
        () => true,
        () => false,
      );
      if (isPushed) acknowledged.push(`c${number}-${image}`);
      else failures++;
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, number) => client(number)));
  await until(() => acknowledged.length >= 10, "pushes are under way");
  const counted = await countPushes();
  const [first = 0] = berth.pids();
  process.kill(first, "SIGKILL");
  await until(() => berth.pids().length === 3, "a new worker listens");
  const before = acknowledged.length;
  await until(() => acknowledged.length >= before + 10, "pushes go on");
  isOver = true;
  await clients;
  for (const tag of acknowledged) await pullImage(berth.url, "app", tag);
  // Only what was at the killed worker broke, at most one request of each client, and what waited to be accepted.
  expect(failures).toBeLessThanOrEqual(16);
  expect(berth.lines.filter(({ level }) => level === "error").map(({ msg, how }) => [msg, how])).toEqual([
    ["a worker ended, and is started again", "signal SIGKILL"],
  ]);
  expect(await countPushes()).toBeGreaterThanOrEqual(counted);
  expect((await berth.end()).code).toBe(0);
});

test("a stop lets the requests in flight of every worker finish", async () => {
  const berth = await serve({ BERTH_WORKERS: "2" });
  const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`;
  // The kernel deals connections out by chance: of so many, each worker has some.
  const requests = await Promise.all(
    Array.from({ length: 24 }, (_, n) => slowPut(berth.url, `/v2/app/manifests/t${n}`, index)),
  );
  const ended = berth.end();
  await Bun.sleep(200);
  expect(berth.child.exitCode).toBeNull();
  for (const request of requests) request.finish();
  for (const request of requests) expect(await request.ended).toStartWith("HTTP/1.1 201 ");
  expect((await ended).code).toBe(0);
  const answered = berth.lines.filter(({ operation }) => operation === "manifest.write").map(({ worker }) => worker);
  expect(new Set(answered)).toEqual(new Set([1, 2]));
  expect(berth.lines.at(-1)?.msg).toBe("stopped");
});

test("a second signal ends at once, workers and all", async () => {
  const berth = await serve({ BERTH_WORKERS: "2" });
  const request = await slowPut(berth.url, "/v2/app/manifests/x", "{      }");
  berth.child.kill("SIGINT");
  await until(() => berth.lines.some(({ msg }) => msg === "stopping"), "it stops");
  await Bun.sleep(600);
  expect((await berth.end("SIGINT")).code).toBe(1);
  await request.ended;
  await until(() => !berth.pids().some(isAlive), "no worker is left");
});

test("workers end by themselves when their supervisor is killed", async () => {
  const berth = await serve({ BERTH_WORKERS: "2" });
  expect(berth.pids().filter(isAlive)).toHaveLength(2);
  const { code } = await berth.end("SIGKILL");
  expect(code).toBe(137);
  await until(() => !berth.pids().some(isAlive), "no worker is left");
  expect(berth.lines.filter(({ msg }) => msg === "the supervisor is gone: stopping")).toHaveLength(2);
  const { hostname, port } = new URL(berth.url);
  Bun.listen({ hostname, port: Number(port), socket: { data() {} } }).stop(true);
});

test("no other Berth gets onto the port, however many workers it has", async () => {
  const berth = await serve({ BERTH_WORKERS: "2" });
  const { port, host } = new URL(berth.url);
  const others = [
    [host, "2"],
    [host, "1"],
    [`0.0.0.0:${port}`, "2"],
  ].map(([listen = "", workers = ""]) => {
    const cwd = folder();
    return { listen, cwd, ...spawn([], cwd, { BERTH_LISTEN: listen, BERTH_WORKERS: workers }) };
  });
  for (const { listen, cwd, child, err, lines } of others) {
    expect(await child.exited).toBe(1);
    expect(await err).toStartWith(`berth: port ${port} on ${listen.split(":")[0]} is taken by another program`);
    expect(lines).toEqual([]);
    expect(existsSync(join(cwd, "data", "keys"))).toBe(false);
  }
});

test("of several that start at the same moment, one gets the port", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const rivals = [1, 2, 3].map(() => spawn([], folder(), { BERTH_LISTEN: listen, BERTH_WORKERS: "2" }));
  const isSettled = ({ child, lines }: (typeof rivals)[number]) => {
    return child.exitCode !== null || lines.some(({ msg }) => msg === "listening");
  };
  await until(() => rivals.every(isSettled), "all have started or failed");
  expect(rivals.map(({ child }) => child.exitCode).sort()).toEqual([1, 1, null]);
});

test("a worker is not for people to start", async () => {
  const { child, err } = spawn(["worker", "1", "0.1.0"], folder(), {});
  expect(await child.exited).toBe(1);
  expect(await err).toBe("berth: `berth worker` is for `berth serve` to start. Set BERTH_WORKERS\n");
});

/** A manifest whose body is sent in two halves. */
function slowPut(origin: string, path: string, body: string) {
  const type = "Content-Type: application/vnd.oci.image.index.v1+json";
  return slowRequest(new URL(origin), `PUT ${path} HTTP/1.1\r\nAuthorization: ${authorization}\r\n${type}`, body);
}

async function freePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

test("what is taken away is refused by every worker within a second", async () => {
  const berth = await serve();
  const client = { endpoint: berth.url, region: "us-east-1" };
  const iam = new IAMClient({ ...client, credentials: { accessKeyId: "test", secretAccessKey: "test" } });
  const UserName = "ci";
  await iam.send(new CreateUserCommand({ UserName }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  const { AccessKeyId = "", SecretAccessKey = "" } = AccessKey ?? {};
  const statement = { Effect: "Allow", Action: "ecr:*", Resource: "*" };
  const policy = { UserName, PolicyName: "all" };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: statement });
  await iam.send(new PutUserPolicyCommand({ ...policy, PolicyDocument }));
  const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
  // The worker that answers may not know the policy yet.
  await Bun.sleep(600);
  const { authorizationData } = await new ECRClient({ ...client, credentials }).send(
    new GetAuthorizationTokenCommand(),
  );
  const login = `Basic ${authorizationData?.[0]?.authorizationToken}`;
  const read = () => ask(`${berth.url}/v2/app/tags/list`, { headers: { authorization: login } });

  /** Which statuses each worker gives, from now on, until all three were heard of. */
  async function statuses(): Promise<Map<number, Set<number>>> {
    const heard = new Map<number, Set<number>>();
    for (let asked = 0; heard.size < 3 || asked < 60; asked++) {
      const answer = await read();
      await answer.arrayBuffer();
      await until(() => berth.workerOf(answer) !== undefined, "the answer is logged");
      const worker = berth.workerOf(answer) as number;
      heard.set(worker, (heard.get(worker) ?? new Set()).add(answer.status));
    }
    return heard;
  }
  const all = (heard: Map<number, Set<number>>) => [...new Set([...heard.values()].flatMap((each) => [...each]))];

  expect(all(await statuses())).toEqual([404]);
  await iam.send(new DeleteUserPolicyCommand(policy));
  await Bun.sleep(1000);
  expect(all(await statuses())).toEqual([403]);
  await iam.send(new UpdateAccessKeyCommand({ UserName, AccessKeyId, Status: "Inactive" }));
  await Bun.sleep(1000);
  expect(all(await statuses())).toEqual([401]);
  await berth.end();
});
