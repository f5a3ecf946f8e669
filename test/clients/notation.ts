import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { version } from "./process.ts";

export const name = "notation";
export const heavy = true;
export const find = () => version(["notation", "version"]);

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const login = { NOTATION_USERNAME: "AWS", NOTATION_PASSWORD: await world.password() };
  const notation = async (args: readonly string[], fails = false) =>
    (await world.run(["notation", ...args], { env: login, fails })).output;
  const repository = await world.repository("notation/app");
  const image = sampleImage("notation");
  holds((await pushImage(world.registry, "notation/app", "v1", image)).status === 201, "the image was not pushed");
  const subject = `${repository}@${image.digest}`;
  const insecure = "--insecure-registry";

  await check("make a test certificate and a trust policy", async () => {
    await notation(["cert", "generate-test", "--default", "tests"]);
    await trustTestCertificate(folder);
  });
  await check("an unsigned image is not verified", async () => {
    contains(
      await notation(["verify", insecure, subject], true),
      /no signature is associated|signature verification failed/i,
      "verify",
    );
  });
  for (const format of ["jws", "cose"]) {
    await check(`sign as ${format} and verify`, async () => {
      contains(
        await notation(["sign", insecure, "--signature-format", format, subject]),
        "Successfully signed",
        "sign",
      );
      contains(await notation(["verify", insecure, subject]), "Successfully verified", "verify");
    });
  }
  await check("list and inspect show both signatures", async () => {
    const list = await notation(["list", insecure, subject]);
    equal(list.match(/sha256:[0-9a-f]{64}/g)?.filter((digest) => digest !== image.digest).length, 2, "signatures");
    contains(await notation(["inspect", insecure, subject]), "application/vnd.cncf.notary.signature", "inspect");
  });
  await check("login with a wrong password is refused", async () => {
    const command = ["notation", "login", insecure, "--username", "AWS", "--password", "d3Jvbmc=", host];
    contains((await world.run(command, { fails: true })).output, /401|unauthorized/i, "login");
  });
}

async function trustTestCertificate(home: string): Promise<void> {
  const folder = join(home, ".config", "notation");
  await mkdir(folder, { recursive: true });
  const policy = {
    name: "tests",
    registryScopes: ["*"],
    signatureVerification: { level: "strict" },
    trustStores: ["ca:tests"],
    trustedIdentities: ["*"],
  };
  await writeFile(join(folder, "trustpolicy.json"), JSON.stringify({ version: "1.0", trustPolicies: [policy] }), {
    mode: 0o600,
  });
}
