import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { version } from "./process.ts";

export const name = "cosign";
export const heavy = true;
export const find = () => version(["cosign", "version"], /v\d+\.\d+\.\d+/);

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const env = { COSIGN_PASSWORD: "", COSIGN_EXPERIMENTAL: "1" };
  const cosign = async (args: readonly string[], options: { input?: string; fails?: boolean } = {}) =>
    (await world.run(["cosign", ...args], { ...options, env })).output;
  const repository = await world.repository("cosign/app");
  const image = sampleImage("cosign");
  holds((await pushImage(world.registry, "cosign/app", "v1", image)).status === 201, "the image was not pushed");
  const subject = `${repository}@${image.digest}`;
  const key = join(folder, "cosign.key");
  const publicKey = join(folder, "cosign.pub");
  const insecure = "--allow-http-registry";
  const offline = ["--tlog-upload=false", "--yes"];
  const verify = ["verify", insecure, "--insecure-ignore-tlog=true", "--key", publicKey];

  await check("login", async () => {
    const { output } = await world.run([
      "cosign",
      "login",
      host,
      "--username",
      "AWS",
      "--password",
      await world.password(),
    ]);
    contains(output, "logged in", "login");
  });
  await check("generate a key pair", async () => {
    await cosign(["generate-key-pair"]);
  });
  await check("an unsigned image is not verified", async () => {
    contains(await cosign([...verify, subject], { fails: true }), /no signatures found/, "verify");
  });
  await check("sign and verify: the signature as a tag beside the image", async () => {
    await cosign(["sign", insecure, ...offline, "--key", key, subject]);
    contains(
      await cosign([...verify, subject]),
      "The signatures were verified against the specified public key",
      "verify",
    );
    const tags = JSON.parse(await (await world.registry.request("GET", "/v2/cosign/app/tags/list")).text()).tags;
    equal(tags, [`${image.digest.replace(":", "-")}.sig`, "v1"], "tags");
  });
  await check("sign and verify: the signature as a referrer", async () => {
    const other = sampleImage("cosign as a referrer");
    holds((await pushImage(world.registry, "cosign/app", "v2", other)).status === 201, "the image was not pushed");
    const target = `${repository}@${other.digest}`;
    await cosign(["sign", insecure, ...offline, "--registry-referrers-mode=oci-1-1", "--key", key, target]);
    const referrers = await (await world.registry.request("GET", `/v2/cosign/app/referrers/${other.digest}`)).text();
    equal(JSON.parse(referrers).manifests.length, 1, "referrers");
    await cosign([...verify, "--experimental-oci11=true", target]);
  });
  await check("attest and verify the attestation", async () => {
    await Bun.write(join(folder, "predicate.json"), JSON.stringify({ builder: "tests" }));
    await cosign([
      "attest",
      insecure,
      ...offline,
      "--key",
      key,
      "--type",
      "custom",
      "--predicate",
      join(folder, "predicate.json"),
      subject,
    ]);
    const command = [
      "verify-attestation",
      insecure,
      "--insecure-ignore-tlog=true",
      "--key",
      publicKey,
      "--type",
      "custom",
      subject,
    ];
    await cosign(command);
  });
  await check("a signature by another key is not accepted", async () => {
    await cosign(["generate-key-pair", "--output-key-prefix", "other"]);
    const command = ["verify", insecure, "--insecure-ignore-tlog=true", "--key", join(folder, "other.pub"), subject];
    await cosign(command, { fails: true });
  });
  await check("tree, copy with signatures, clean", async () => {
    const copied = await world.repository("cosign/copied");
    contains(await cosign(["tree", insecure, subject]), "Signatures for an image tag", "tree");
    await cosign(["copy", insecure, `${repository}:v1`, `${copied}:v1`]);
    await cosign([...verify, `${copied}:v1`]);
    await cosign(["clean", insecure, "--force", `${copied}:v1`]);
    await cosign([...verify, `${copied}:v1`], { fails: true });
  });
}
