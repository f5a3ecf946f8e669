import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  KMSClient,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import type { World } from "./client.ts";
import { contains, equal, holds, present } from "./expect.ts";
import { version } from "./process.ts";
import { freePort, startServer } from "./server.ts";

/**
 * The master key of a Berth with others: OpenBao or Vault, and services with the API of AWS KMS: moto, local-kms, and
 * another Berth, which is always there.
 */
export const name = "key-keepers";
export const installedByCi = true;
// Each service sees a dozen starts of Berth.
export const timeoutMs = 300_000;

const root = join(import.meta.dirname, "..", "..");

export async function find(): Promise<string> {
  const found = await Promise.all(services.map(async (service) => [service.name, await service.find()]));
  return found.flatMap(([service, what]) => (what === undefined ? [] : `${service} ${what}`)).join(", ");
}

/** A service that runs, with a key for Berth in it. */
interface Keeper {
  readonly settings: Record<string, string>;
  /** Gives Berth's key a new version, or another key its name. */
  rotate(): Promise<void>;
  readonly disabling: Disabling;
}

interface Disabling {
  disable(): Promise<void>;
  enable(): Promise<void>;
  /** What Berth says when it does not start. */
  readonly refusal: string;
}

interface Service {
  readonly name: string;
  find(): Promise<string | undefined>;
  readonly installedByCi?: boolean;
  /** Why it is of no use to disable a key. */
  readonly careless?: string;
  start(world: World, folder: string): Promise<Keeper>;
}

const untold = "(version not told)";

const services: readonly Service[] = [
  {
    name: "OpenBao",
    installedByCi: true,
    find: () => version(["bao", "version"]),
    start: (world, folder) => startVault("bao", world, folder),
  },
  {
    name: "Vault",
    find: () => version(["vault", "version"]),
    start: (world, folder) => startVault("vault", world, folder),
  },
  {
    name: "moto",
    installedByCi: true,
    find: motoVersion,
    careless: "it encrypts with disabled keys too",
    async start(world, folder) {
      const port = await freePort();
      await startProgram(world, folder, ["moto_server", "-H", "127.0.0.1", "-p", String(port)]);
      return await startKms(`http://127.0.0.1:${port}`, { accessKeyId: "moto", secretAccessKey: "moto" });
    },
  },
  {
    name: "local-kms",
    // It starts, whatever it is asked.
    find: async () => (Bun.which("local-kms") === null ? undefined : untold),
    async start(world, folder) {
      const port = await freePort();
      await startProgram(world, folder, ["local-kms"], { PORT: String(port), KMS_DATA_PATH: folder });
      return await startKms(`http://127.0.0.1:${port}`, { accessKeyId: "local", secretAccessKey: "local" });
    },
  },
  {
    name: "Berth",
    find: async () => "of this tree",
    start: ({ url, accessKeyId, secretAccessKey }) => startKms(url, { accessKeyId, secretAccessKey }),
  },
];

export async function run(world: World): Promise<void> {
  for (const service of services) {
    if ((await service.find()) !== undefined) await story(service, world);
    else if (service.installedByCi && process.env.CI) {
      world.report(service.name, "FAIL", 0, "not found, though .ci/run installs it");
    } else world.skip(service.name, "not found");
  }
}

const Plaintext = new TextEncoder().encode("kept");

async function story(service: Service, world: World): Promise<void> {
  const folder = join(world.folder, service.name);
  const data = join(folder, "data");
  await mkdir(folder);
  const check: World["check"] = (what, body) => world.check(`${service.name}: ${what}`, body);
  const ciphertexts: Uint8Array[] = [];
  let keeper: Keeper | undefined;

  /** For as long as `work` takes. */
  async function served(settings: Record<string, string>, work: (kms: KMSClient) => Promise<void>): Promise<void> {
    const { url, stop } = await startServer(folder, settings);
    try {
      await work(clientOf(url, world.region, world));
    } finally {
      await stop();
    }
  }

  async function more(kms: KMSClient): Promise<void> {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext }));
    ciphertexts.push(present(CiphertextBlob, "CiphertextBlob"));
  }

  async function allOpen(kms: KMSClient): Promise<void> {
    for (const CiphertextBlob of ciphertexts) {
      const opened = await kms.send(new DecryptCommand({ CiphertextBlob }));
      equal(Buffer.from(opened.Plaintext ?? []).toString(), "kept", "plaintext");
    }
  }

  async function rotateMaster(settings: Record<string, string>): Promise<number> {
    const command = [process.execPath, "src/cli/main.ts", "kms", "rotate-master"];
    const { stdout } = await world.run(command, { cwd: root, env: { BERTH_DATA: data, ...settings } });
    return Number.parseInt(stdout, 10);
  }

  const start = async () => {
    keeper = await service.start(world, folder);
  };
  if (!(await check("starts, with a key for Berth", start)) || !keeper) return;
  const { settings, rotate, disabling } = keeper;

  await check("takes over from a local master key, which can then go", async () => {
    await served({}, more);
    equal(await rotateMaster(settings), 1, "rewrapped");
    await rm(join(data, "keys", "master-key"));
    await served(settings, async (kms) => {
      await allOpen(kms);
      await more(kms);
    });
  });
  await check("what was encrypted opens after a restart, and a rotation there is followed", async () => {
    await served(settings, async (kms) => {
      await allOpen(kms);
      await rotate();
      equal([await rotateMaster(settings), await rotateMaster(settings)], [2, 0], "rewrapped");
      await allOpen(kms);
    });
    await served(settings, allOpen);
  });
  const whatDisablingDoes = "disabled, it opens nothing new: what runs runs on, and nothing starts";
  const disabled = async ({ disable, enable, refusal }: Disabling) => {
    await served(settings, async (kms) => {
      await allOpen(kms);
      await disable();
      await allOpen(kms);
      await more(kms).then(
        () => holds(false, "a key was made"),
        ({ name }: Error) => equal(name, "KMSInternalException", "refusal"),
      );
    });
    const said = await served(settings, async () => {}).catch((error: Error) => error.message);
    contains(said ?? "it started", refusal, "start");
    await enable();
    await served(settings, allOpen);
  };
  if (service.careless) world.skip(`${service.name}: ${whatDisablingDoes}`, service.careless);
  else await check(whatDisablingDoes, () => disabled(disabling));
  await check("is left for a local master key again", async () => {
    const local = { ...settings, BERTH_KMS_KEEPER: "local" };
    await served(local, allOpen);
    await rotateMaster(local);
    await served({}, allOpen);
  });
}

function clientOf(endpoint: string, region: string, credentials: Pick<World, "accessKeyId" | "secretAccessKey">) {
  const { accessKeyId, secretAccessKey } = credentials;
  return new KMSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
}

const region = "eu-west-1";
const alias = "alias/berth-master";

async function startKms(
  endpoint: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
): Promise<Keeper> {
  const kms = clientOf(endpoint, region, credentials);
  const newKey = async () => present((await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn, "Arn");
  await untilAnswers(endpoint);
  let key = await newKey();
  const first = key;
  await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: key }));
  return {
    settings: {
      BERTH_KMS_KEEPER: "aws",
      BERTH_KMS_AWS_KEY: `${alias},${first}`,
      BERTH_KMS_AWS_REGION: region,
      BERTH_KMS_AWS_URL: endpoint,
      BERTH_KMS_AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      BERTH_KMS_AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    // What KMS does inside of a key is not to be seen.
    async rotate() {
      key = await newKey();
      await kms.send(new UpdateAliasCommand({ AliasName: alias, TargetKeyId: key }));
    },
    disabling: {
      disable: async () => void (await kms.send(new DisableKeyCommand({ KeyId: key }))),
      enable: async () => void (await kms.send(new EnableKeyCommand({ KeyId: key }))),
      refusal: `refused Encrypt with ${alias}: DisabledException`,
    },
  };
}

/** Its server does not tell. */
async function motoVersion(): Promise<string | undefined> {
  if (Bun.which("moto_server") === null) return undefined;
  return (await version(["python3", "-c", "import moto; print(moto.__version__)"])) ?? untold;
}

/** The least that docs/kms.md says a token needs. */
const vaultPolicy = `
path "transit/encrypt/berth" { capabilities = ["update"] }
path "transit/decrypt/berth" { capabilities = ["update"] }
`;

async function startVault(program: "bao" | "vault", world: World, folder: string): Promise<Keeper> {
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const authority = join(folder, "vault-ca.pem");
  const token = "root-of-the-tests";
  const flags = ["-dev", `-dev-root-token-id=${token}`, `-dev-listen-address=127.0.0.1:${port}`];
  const tls = ["-dev-tls", `-dev-tls-cert-dir=${folder}`];
  await startProgram(world, folder, [program, "server", ...flags, ...tls, "-dev-no-store-token"]);
  await untilAnswers(`${url}/v1/sys/health`, authority);
  const prefix = program === "bao" ? "BAO" : "VAULT";
  const env: Record<string, string> = {
    [`${prefix}_ADDR`]: url,
    [`${prefix}_TOKEN`]: token,
    [`${prefix}_CACERT`]: authority,
  };
  const ask = (...args: string[]) => world.run([program, ...args], { env });
  // Vault has them in its Enterprise edition only.
  const namespace = program === "bao" ? "team-a" : undefined;
  if (namespace) {
    await ask("namespace", "create", namespace);
    env[`${prefix}_NAMESPACE`] = namespace;
  }
  await ask("secrets", "enable", "transit");
  await ask("write", "-f", "transit/keys/berth");
  const policyFile = join(folder, "policy.hcl");
  await writeFile(policyFile, vaultPolicy);
  await ask("policy", "write", "berth", policyFile);
  const tokenFile = join(folder, "token");
  const newToken = async () => {
    const { stdout } = await ask("token", "create", "-policy=berth", "-no-default-policy", "-field=token");
    await writeFile(tokenFile, stdout);
  };
  await newToken();
  return {
    settings: {
      BERTH_KMS_KEEPER: "vault",
      BERTH_KMS_VAULT_URL: url,
      BERTH_KMS_VAULT_KEY: "transit/berth",
      BERTH_KMS_VAULT_TOKEN_FILE: tokenFile,
      BERTH_KMS_VAULT_AUTHORITY: authority,
      ...(namespace && { BERTH_KMS_VAULT_NAMESPACE: namespace }),
    },
    rotate: async () => void (await ask("write", "-f", "transit/keys/berth/rotate")),
    disabling: {
      disable: async () => void (await ask("token", "revoke", (await readFile(tokenFile, "utf8")).trim())),
      enable: newToken,
      refusal: "refused encrypt with transit/berth: permission denied (status 403)",
    },
  };
}

/** Until the world ends. */
async function startProgram(world: World, folder: string, command: string[], env: Record<string, string> = {}) {
  const log = await open(join(folder, "service.log"), "w");
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { ...process.env, HOME: folder, ...env },
    stdin: "ignore",
    stdout: log.fd,
    stderr: log.fd,
  });
  await log.close();
  world.atEnd(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
}

/** @param authority a file that may not be there yet */
async function untilAnswers(url: string, authority?: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const tls = authority && existsSync(authority) ? { tls: { ca: Bun.file(authority) } } : {};
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000), ...tls }).catch(() => undefined);
    if (answer && answer.status < 500) return;
    if (Date.now() > deadline) throw new Error(`${url} does not answer`);
    await Bun.sleep(100);
  }
}
