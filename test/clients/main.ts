import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as awsCli from "./aws-cli.ts";
import * as boto3 from "./boto3.ts";
import * as buildah from "./buildah.ts";
import type { Client } from "./client.ts";
import * as conformance from "./conformance.ts";
import * as copy from "./copy.ts";
import * as cosign from "./cosign.ts";
import * as crane from "./crane.ts";
import * as docker from "./docker.ts";
import * as encryption from "./encryption.ts";
import * as helm from "./helm.ts";
import * as iam from "./iam.ts";
import * as keyKeepers from "./key-keepers.ts";
import * as kms from "./kms.ts";
import * as notation from "./notation.ts";
import * as oras from "./oras.ts";
import * as podman from "./podman.ts";
import * as publicAccess from "./public.ts";
import * as pullThrough from "./pull-through.ts";
import * as races from "./races.ts";
import * as sdk from "./sdk-js.ts";
import * as secrets from "./secrets.ts";
import { type Server, startServer } from "./server.ts";
import * as skopeo from "./skopeo.ts";
import * as terraform from "./terraform.ts";
import * as terraformIam from "./terraform-iam.ts";
import * as terraformKms from "./terraform-kms.ts";
import * as terraformLifecycle from "./terraform-lifecycle.ts";
import * as terraformOrganizations from "./terraform-organizations.ts";
import * as terraformPullThrough from "./terraform-pull-through.ts";
import * as terraformReplication from "./terraform-replication.ts";
import * as terraformScanning from "./terraform-scanning.ts";
import * as terraformTemplates from "./terraform-templates.ts";
import * as tls from "./tls.ts";
import * as webIdentity from "./web-identity.ts";
import { openWorld, type Tally } from "./world.ts";

const CLIENTS: readonly Client[] = [
  sdk,
  awsCli,
  boto3,
  skopeo,
  copy,
  crane,
  oras,
  docker,
  podman,
  buildah,
  terraform,
  // Before others found the one organization that a deployment can have.
  terraformOrganizations,
  iam,
  kms,
  encryption,
  keyKeepers,
  webIdentity,
  terraformIam,
  terraformKms,
  terraformLifecycle,
  terraformPullThrough,
  secrets,
  terraformReplication,
  terraformTemplates,
  terraformScanning,
  publicAccess,
  pullThrough,
  tls,
  races,
  conformance,
  helm,
  cosign,
  notation,
];

const USAGE = `npm run test:clients [-- --all] [-- --only name,...]
  --all          also the clients that take long to install: ${CLIENTS.filter((client) => client.heavy)
    .map((client) => client.name)
    .join(", ")}
  --only a,b     these clients: ${CLIENTS.map((client) => client.name).join(", ")}`;

const onCi = Boolean(process.env.CI);
const asRoot = process.getuid?.() === 0;

/** Ends the client that runs, with all that it started, and lets no other begin. */
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}

interface Absent {
  readonly name: string;
  readonly why: string;
  readonly isFailure: boolean;
}

async function main(): Promise<number> {
  const asked = readArguments();
  if (asked === undefined) return 2;
  const folder = await mkdtemp(join(tmpdir(), "berth-clients-"));
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  const absent: Absent[] = [];
  try {
    const server = await startServer(folder);
    try {
      for (const client of asked.clients) {
        if (interrupted.signal.aborted || server.crash()) break;
        const missing = await whyAbsent(client, asked.all);
        if (missing) absent.push(missing);
        else add(total, await runClient(client, server));
      }
      if (server.crash()) add(total, await reportCrash(server));
    } finally {
      await server.stop();
    }
    if (total.failed > 0) await showServerErrors(server);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return conclude(total, absent);
}

function readArguments(): { clients: readonly Client[]; all: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { all: { type: "boolean" }, only: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help) throw new Error("How to use it");
    const names = values.only?.split(",");
    const unknown = names?.filter((name) => !CLIENTS.some((client) => client.name === name)) ?? [];
    if (unknown.length > 0) throw new Error(`No such client: ${unknown.join(", ")}`);
    const clients = names ? CLIENTS.filter((client) => names.includes(client.name)) : CLIENTS;
    // Who names a client wants it to run, heavy or not.
    return { clients, all: values.all ?? names !== undefined };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return undefined;
  }
}

async function whyAbsent(client: Client, all: boolean): Promise<Absent | undefined> {
  const { name } = client;
  if (client.heavy && !all) return { name, why: "only with --all", isFailure: false };
  if (client.needsRoot && !asRoot) return { name, why: "needs root", isFailure: false };
  if ((await client.find()) !== undefined) return undefined;
  return { name, why: "not found", isFailure: onCi && client.installedByCi === true };
}

async function runClient(client: Client, server: Server): Promise<Tally> {
  console.log(`\n${client.name} ${await client.find()}`);
  const started = performance.now();
  const timeUp = new AbortController();
  const timeoutMs = client.timeoutMs ?? 180_000;
  const timer = setTimeout(() => timeUp.abort(new Error(`the client's ${timeoutMs / 1000} s were up`)), timeoutMs);
  const signal = AbortSignal.any([timeUp.signal, interrupted.signal]);
  const { world, tally, close } = await openWorld(client.name, server, signal);
  try {
    await Promise.race([client.run(world), rejectWhenAborted(signal)]);
  } catch (error) {
    world.report(
      "runs to its end",
      "FAIL",
      performance.now() - started,
      error instanceof Error ? error.message : String(error),
    );
  } finally {
    clearTimeout(timer);
    // Programs that still run use the folder that is about to go.
    timeUp.abort(new Error("the client has finished"));
    await close();
  }
  console.log(`  ${tally.passed} ok, ${tally.failed} failed in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return tally;
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

function add(total: Tally, tally: Tally): void {
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
}

async function reportCrash(server: Server): Promise<Tally> {
  const lines = (await Bun.file(server.logFile).text()).trim().split("\n");
  console.log(`\nFAIL Berth ended by itself: ${server.crash()}. Its last words:\n${lines.slice(-30).join("\n")}`);
  return { passed: 0, failed: 1, skipped: 0 };
}

/** The server's own words about what it could not do; refusals are part of the tests and of no interest. */
async function showServerErrors(server: Server): Promise<void> {
  const lines = (await Bun.file(server.logFile).text()).split("\n");
  const errors = lines.filter((line) => /"level":(50|60|"error"|"fatal")/.test(line));
  if (errors.length > 0) console.log(`\nErrors that Berth logged:\n${errors.slice(-20).join("\n")}`);
}

function conclude(total: Tally, absent: readonly Absent[]): number {
  console.log("");
  for (const { name, why, isFailure } of absent) {
    console.log(isFailure ? `FAIL ${name}: ${why}, though .ci/run installs it` : `skip ${name}: ${why}`);
    total[isFailure ? "failed" : "skipped"] += 1;
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 || total.passed === 0 || interrupted.signal.aborted ? 1 : 0;
}

process.exit(
  await main().catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }),
);
