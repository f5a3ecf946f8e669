import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { type Docker, imageId, push, removeAllImages } from "./dockerd.ts";
import { contains, equal } from "./expect.ts";
import { version } from "./process.ts";
import { startServer } from "./server.ts";

/** A second server, for which a client certificate stands for a user who may pull. */
export interface Certified {
  /** Where root's credentials, and no certificate, manage it. */
  readonly world: World;
  readonly port: string;
  /** `ca.crt`, `client.cert` and `client.key`, as every client of the container world looks for them. */
  readonly folder: string;
}

const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource: "*" },
});

export async function prepareCertified(
  world: World,
  made: string,
  berth: (...args: string[]) => Promise<unknown>,
): Promise<Certified> {
  const at = (file: string) => join(made, file);
  await berth("tls", "client", "puller", "--out", made);
  const serverFolder = join(world.folder, "certified");
  const folder = join(world.folder, "certified-client");
  for (const each of [serverFolder, folder]) await mkdir(each);
  await cp(at("ca.crt"), join(folder, "ca.crt"));
  await cp(at("client-puller.crt"), join(folder, "client.cert"));
  await cp(at("client-puller.key"), join(folder, "client.key"));
  const settings = {
    BERTH_TLS_CERTIFICATE: at("server.crt"),
    BERTH_TLS_KEY: at("server.key"),
    BERTH_TLS_CLIENT_AUTHORITY: at("ca.crt"),
    BERTH_TLS_CLIENT_CERTIFICATES: "optional",
    BERTH_TLS_CLIENT_IDENTITIES: "cn:puller=arn:aws:iam::000000000000:user/puller",
  };
  const { host, url, stop } = await startServer(serverFolder, settings, { authority: at("ca.crt"), everywhere: true });
  world.atEnd(stop);
  const env = { AWS_ENDPOINT_URL: url, AWS_CA_BUNDLE: at("ca.crt") };
  const certified: World = {
    ...world,
    host,
    url,
    run: (command, options) => world.run(command, { ...options, env: { ...env, ...options?.env } }),
  };
  const aws = (...args: string[]) => certified.run(["aws", ...args]);
  await aws("ecr", "create-repository", "--repository-name", "app");
  await aws("iam", "create-user", "--user-name", "puller");
  const name = ["--user-name", "puller", "--policy-name", "pull"];
  await aws("iam", "put-user-policy", ...name, "--policy-document", policy);
  return { world: certified, port: new URL(url).port, folder };
}

/** @param source an image that skopeo reads */
export async function pullByCertificate({ world, folder }: Certified, source: string): Promise<void> {
  const { check, host } = world;
  const at = (file: string) => join(folder, file);
  const login = `AWS:${(await world.run(["aws", "ecr", "get-login-password"])).stdout.trim()}`;
  const image = `docker://${host}/app:skopeo`;
  const nobody = join(world.folder, "certified-nobody");
  await mkdir(nobody);
  await cp(at("ca.crt"), join(nobody, "ca.crt"));

  await check("skopeo pulls with a client certificate only, and pushes nothing with it", async () => {
    const copy = ["skopeo", "--insecure-policy", "copy"];
    await world.run([...copy, "--dest-cert-dir", nobody, "--dest-creds", login, source, image]);
    await world.run([...copy, "--src-cert-dir", folder, image, `oci:${join(world.folder, "certified-layout")}:sample`]);
    const refused = await world.run([...copy, "--dest-cert-dir", folder, source, image], { fails: true });
    contains(refused.output, /denied|not authorized|403/, "push");
    const unknown = await world.run(["skopeo", "inspect", "--cert-dir", nobody, image], { fails: true });
    contains(unknown.output, /authentication required|Not Authorized|unauthorized/i, "without the certificate");
  });
  await check("curl pulls a manifest with a client certificate only", async () => {
    const own = ["--cert", at("client.cert"), "--key", at("client.key")];
    const curl = (...more: string[]) =>
      world.run(["curl", "-sS", "--cacert", at("ca.crt"), ...more, `${world.url}/v2/app/manifests/skopeo`]);
    contains((await curl(...own)).stdout, '"schemaVersion"', "manifest");
    equal((await curl()).stdout.trim(), "Not Authorized", "without the certificate");
  });
  if (!(await version(["podman", "--version"]))) return world.skip("podman", "it is not installed");
  await check("podman pulls with a client certificate only", async () => {
    const storage = ["--root", join(world.folder, "podman-root"), "--runroot", join(world.folder, "podman-run")];
    const podman = ["podman", ...storage, "--storage-driver", "vfs"];
    await world.run([...podman, "pull", "--cert-dir", folder, `${host}/app:skopeo`]);
  });
}

/** @param certsD the daemon's `/etc/docker/certs.d` */
export async function dockerByCertificate(
  { world, port, folder }: Certified,
  docker: Docker,
  { built, certsD, name }: { built: string; certsD: string; name: string },
): Promise<void> {
  const host = `${name}:${port}`;
  const image = `${host}/app:docker`;
  const trusted = join(certsD, host);
  await mkdir(trusted);
  await cp(join(folder, "ca.crt"), join(trusted, "ca.crt"));
  await world.check("Docker pulls with a client certificate only, without a login and with no restart", async () => {
    const config = "certified";
    const input = (await world.run(["aws", "ecr", "get-login-password"])).stdout.trim();
    await docker(["login", "--username", "AWS", "--password-stdin", host], { input, config });
    const id = await imageId(docker, built);
    await push(docker, built, image, { config });
    await removeAllImages(docker);
    const refused = await docker(["pull", image], { fails: true });
    contains(refused, /no basic auth credentials|unauthorized|Not Authorized/i, "without the certificate");
    for (const file of ["client.cert", "client.key"]) await cp(join(folder, file), join(trusted, file));
    await docker(["pull", image]);
    equal(await imageId(docker, image), id, "image id");
    contains(await docker(["push", image], { fails: true }), /denied|not authorized/, "push");
  });
}
