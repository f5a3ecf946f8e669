import { X509Certificate } from "node:crypto";
import { cp, mkdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import type { World } from "./client.ts";
import { buildBusybox, findDocker, imageId, push, removeAllImages, startDaemon } from "./dockerd.ts";
import { contains, equal, holds } from "./expect.ts";
import { version } from "./process.ts";
import { sha256 } from "./registry.ts";
import { startServer } from "./server.ts";
import { type Certified, dockerByCertificate, prepareCertified, pullByCertificate } from "./tls-clients.ts";

/** Docker, skopeo and the AWS CLI over TLS, with the private authority that `berth tls init` makes. */
export const name = "tls";
export const installedByCi = true;
export const needsRoot = true;

const root = join(import.meta.dirname, "..", "..");
const registryName = "registry.berth.test";

export async function find(): Promise<string | undefined> {
  const [docker, skopeo, aws] = [
    await findDocker(),
    await version(["skopeo", "--version"]),
    await version(["aws", "--version"]),
  ];
  return docker && skopeo && aws ? `Docker ${docker}, skopeo ${skopeo}, AWS CLI ${aws}` : undefined;
}

interface Scene {
  /** On a server that speaks TLS. Programs that are run in it trust its authority as far as a variable can say so. */
  readonly world: World;
  readonly port: string;
  readonly certificates: { readonly folder: string; readonly authority: string; readonly certificate: string };
  renew(): Promise<void>;
  readonly certified: Certified;
}

export async function run(world: World): Promise<void> {
  const scene = await prepare(world);
  await awsCli(scene, world);
  await skopeo(scene);
  await docker(scene);
  await swap(scene);
}

async function prepare(world: World): Promise<Scene> {
  const folder = join(world.folder, "tls");
  const at = (file: string) => join(folder, file);
  const berth = (...args: string[]) => world.run([process.execPath, "src/cli/main.ts", ...args], { cwd: root });
  await berth("tls", "init", "--out", folder, "--host", registryName);
  const certificates = { folder, authority: at("ca.crt"), certificate: at("server.crt") };
  const serverFolder = join(world.folder, "server");
  await mkdir(serverFolder);
  const settings = { BERTH_TLS_CERTIFICATE: at("server.crt"), BERTH_TLS_KEY: at("server.key") };
  const options = { authority: certificates.authority, everywhere: true };
  const { host, url, stop } = await startServer(serverFolder, settings, options);
  world.atEnd(stop);
  const env = { AWS_ENDPOINT_URL: url, AWS_CA_BUNDLE: certificates.authority };
  return {
    world: {
      ...world,
      host,
      url,
      run: (command, options) => world.run(command, { ...options, env: { ...env, ...options?.env } }),
    },
    port: new URL(url).port,
    certificates,
    renew: async () => void (await berth("tls", "renew", "--out", folder)),
    certified: await prepareCertified(world, folder, berth),
  };
}

async function awsCli({ world }: Scene, plain: World): Promise<void> {
  const { check } = world;
  await check("the AWS CLI manages repositories with AWS_CA_BUNDLE", async () => {
    const { stdout } = await world.run(["aws", "ecr", "create-repository", "--repository-name", "app"]);
    contains(stdout, `"repositoryUri": "${world.host}/app"`, "create-repository");
  });
  await check("the AWS CLI refuses the server without the authority", async () => {
    const env = { AWS_ENDPOINT_URL: world.url };
    const ran = await plain.run(["aws", "sts", "get-caller-identity"], { env, fails: true });
    contains(ran.output, /SSL validation failed|CERTIFICATE_VERIFY_FAILED/, "get-caller-identity");
  });
  await check("the credential helper goes by AWS_CA_BUNDLE too", async () => {
    const helper = [join(root, "bin", "docker-credential-berth.js"), "get"];
    const { stdout } = await world.run(helper, { input: world.host });
    equal(JSON.parse(stdout).Username, "AWS", "user name");
    const env = { AWS_CA_BUNDLE: "", HOME: join(world.folder, "elsewhere") };
    contains((await world.run(helper, { input: world.host, env, fails: true })).output, /certificate/i, "without it");
  });
}

const loginPassword = async (world: World) => (await world.run(["aws", "ecr", "get-login-password"])).stdout.trim();

async function skopeo({ world, certificates, certified }: Scene): Promise<void> {
  const { check, host, folder } = world;
  // A folder as /etc/containers/certs.d/HOST: it takes every .crt for an authority.
  const trusted = join(folder, "trusted");
  await mkdir(trusted);
  await cp(certificates.authority, join(trusted, "ca.crt"));
  const authFile = ["--authfile", join(folder, "skopeo-auth.json")];
  const layout = `oci:${join(folder, "layout")}:sample`;
  const source = await emptyImage(world);

  await check("skopeo logs in, pushes and pulls with the authority", async () => {
    const input = await loginPassword(world);
    const login = [
      "skopeo",
      "login",
      "--cert-dir",
      trusted,
      ...authFile,
      "--username",
      "AWS",
      "--password-stdin",
      host,
    ];
    contains((await world.run(login, { input })).output, "Login Succeeded", "login");
    const copy = ["skopeo", "--insecure-policy", "copy", ...authFile];
    await world.run([...copy, "--dest-cert-dir", trusted, source, `docker://${host}/app:skopeo`]);
    await world.run([...copy, "--src-cert-dir", trusted, `docker://${host}/app:skopeo`, layout]);
  });
  await check("skopeo refuses the server without the authority", async () => {
    const inspect = [
      "skopeo",
      "inspect",
      "--cert-dir",
      join(folder, "run"),
      ...authFile,
      `docker://${host}/app:skopeo`,
    ];
    contains((await world.run(inspect, { fails: true })).output, /x509|certificate signed by unknown/, "inspect");
  });
  await pullByCertificate(certified, source);
}

/** An image without layers, as a folder that skopeo reads. */
async function emptyImage(world: World): Promise<string> {
  const folder = join(world.folder, "empty");
  await mkdir(folder);
  const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
  const digest = sha256(Buffer.from(config));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: { mediaType: "application/vnd.docker.container.image.v1+json", size: config.length, digest },
    layers: [],
  };
  await Bun.write(join(folder, "version"), "Directory Transport Version: 1.1\n");
  await Bun.write(join(folder, digest.slice("sha256:".length)), config);
  await Bun.write(join(folder, "manifest.json"), JSON.stringify(manifest));
  return `dir:${folder}`;
}

/** Docker takes whatever certificate it meets at a loopback address, under any name. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}

async function docker({ world, port, certificates, renew, certified }: Scene): Promise<void> {
  const { check } = world;
  const address = ownAddress();
  if (!address)
    return world.skip("Docker", "the machine has no address but loopback ones, where Docker checks nothing");
  const host = `${registryName}:${port}`;
  const certsD = join(world.folder, "certs.d");
  await mkdir(join(certsD, host), { recursive: true });
  const docker = await startDaemon(world, { hosts: [registryName], address, certificates: certsD });
  const login = async (fails = false) =>
    docker(["login", "--username", "AWS", "--password-stdin", host], { input: await loginPassword(world), fails });

  await check("Docker refuses the server without the authority", async () => {
    contains(await login(true), /x509|certificate signed by unknown authority/, "login");
  });
  await check("Docker logs in, pushes and pulls with ca.crt in certs.d, with no restart", async () => {
    await cp(certificates.authority, join(certsD, host, "ca.crt"));
    contains(await login(), "Login Succeeded", "login");
    const built = await buildBusybox(world, docker, "tls");
    const id = await imageId(docker, built);
    await push(docker, built, `${host}/app:docker`);
    await removeAllImages(docker);
    await docker(["pull", `${host}/app:docker`]);
    equal(await imageId(docker, `${host}/app:docker`), id, "image id");
  });
  await check("Docker pulls on after the certificate is renewed", async () => {
    await renew();
    await untilGreetedBy(port, certificates);
    await removeAllImages(docker);
    await docker(["pull", `${host}/app:docker`]);
  });
  const built = `${host}/app:docker`;
  await dockerByCertificate(certified, docker, { built, certsD, name: registryName });
}

async function swap({ world, port, certificates, renew }: Scene): Promise<void> {
  const { check, url, accessKeyId, secretAccessKey } = world;
  const tls = { ca: await readFile(certificates.authority, "utf8") };
  const headers = { authorization: `Basic ${btoa(`${accessKeyId}:${secretAccessKey}`)}` };
  const ask = (method: string, path: string, body?: Uint8Array<ArrayBuffer>) =>
    fetch(new URL(path, url), { method, headers, tls, body: body ?? null });

  await check("a slow pull goes on while the certificate is renewed, and is whole", async () => {
    const bytes = new Uint8Array(64 * 1024 * 1024).map((_, index) => index >> 8);
    const opened = await ask("POST", "/v2/app/blobs/uploads/");
    const location = new URL(opened.headers.get("location") ?? "", url);
    location.searchParams.set("digest", sha256(bytes));
    equal((await ask("PUT", location.href, bytes)).status, 201, "push");

    const pull = await ask("GET", `/v2/app/blobs/${sha256(bytes)}`);
    const hash = new Bun.CryptoHasher("sha256");
    let isRenewed = false;
    for await (const chunk of pull.body ?? []) {
      hash.update(chunk);
      if (isRenewed) continue;
      // Nobody reads on until new connections meet the new certificate.
      await renew();
      await untilGreetedBy(port, certificates);
      isRenewed = true;
    }
    equal(`sha256:${hash.digest("hex")}`, sha256(bytes), "digest");
  });
}

/** Waits until a new connection meets the certificate that is in the file. */
async function untilGreetedBy(port: string, { authority, certificate }: Scene["certificates"]): Promise<void> {
  const expected = new X509Certificate(await readFile(certificate)).fingerprint256;
  const ca = await readFile(authority, "utf8");
  const greeted = () =>
    new Promise<string | undefined>((resolve) => {
      const socket = connect({ port: Number(port), host: "127.0.0.1", servername: "localhost", ca }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", () => resolve(undefined));
    });
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await Bun.sleep(100)) {
    if ((await greeted()) === expected) return;
  }
  holds(false, "the renewed certificate is not in use after 20 s");
}
