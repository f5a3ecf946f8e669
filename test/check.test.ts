import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import { check, type Problem } from "../src/domain/registry/check.ts";
import { serverScope } from "../src/domain/registry/encryption.ts";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";

/** What happens to clients when the disk has lost something: damage, check, pull, push, pull. */

const content = "the layer that will suffer";
const digest = digestOf(content);
const blobUrl = `/v2/app/blobs/${digest}`;

/** Leaves the length as it is. */
function changeOneByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

let berth: InProcess;
let manifest: { digest: string; manifest: string };
async function begin(atRest: "sealed" | "volume"): Promise<void> {
  berth = await inProcess({ atRest });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
}

/** The one file of the layer. */
function layerFile(): string {
  const folder = join(berth.stores.root, "sha256", digest.slice(7, 9));
  const [name] = readdirSync(folder).filter((file) => file.startsWith(digest.slice(7)));
  if (!name) throw new Error("the layer has no file");
  return join(folder, name);
}

async function runCheck(options: { rehash?: boolean; repair?: boolean } = {}): Promise<string[]> {
  const problems: Problem[] = [];
  await check(
    { ...berth.stores, clock: () => new Date() },
    { rehash: false, repair: false, bytesPerSecond: 0, ...options, found: (problem) => problems.push(problem) },
  );
  return problems.map(({ kind, outcome, hurts }) => `${kind} ${outcome} ${hurts?.map(({ tags }) => tags)}`);
}

/** As Docker pushes: what is there is not sent. Answers which layers were. */
async function dockerPush(): Promise<string[]> {
  const sent: string[] = [];
  for (const layer of [content, "{}"]) {
    const wanted = digestOf(layer);
    if ((await berth.oci("HEAD", `/v2/app/blobs/${wanted}`)).status === 200) continue;
    const begun = await berth.oci("POST", "/v2/app/blobs/uploads/");
    const upload = begun.headers.get("location") ?? "";
    expect((await berth.oci("PATCH", upload, { body: layer })).status).toBe(202);
    expect((await berth.oci("PUT", `${upload}?digest=${wanted}`)).status).toBe(201);
    sent.push(layer);
  }
  const put = { headers: { "content-type": mediaTypes.manifest }, body: manifest.manifest };
  expect((await berth.oci("PUT", "/v2/app/manifests/v1", put)).status).toBe(201);
  return sent;
}

describe.each(["sealed", "volume"] as const)("at rest: %s", (atRest) => {
  beforeAll(() => begin(atRest));
  afterAll(() => berth.close());
  beforeEach(async () => {
    manifest = await berth.pushImage("app", "v1", content);
  });

  describe.each([
    ["other bytes", { rehash: true }, "BlobCorrupt", changeOneByte],
    ["fewer bytes", {}, "BlobSizeWrong", (file: string) => truncateSync(file, 7)],
    ["no file", {}, "BlobMissing", (file: string) => rmSync(file)],
  ])("a layer with %s", (_, options, kind, harm) => {
    test("is served to nobody once a check has seen it, and a push of the image mends it", async () => {
      harm(layerFile());
      expect(await runCheck(options)).toEqual([`${kind} quarantined v1`]);

      expect((await berth.oci("HEAD", blobUrl)).status).toBe(404);
      const refused = await berth.oci("GET", blobUrl);
      expect(refused.status).toBe(404);
      expect(await refused.json()).toEqual({
        errors: [
          { code: "BLOB_UNKNOWN", message: expect.stringContaining("is damaged and in quarantine. Push it again") },
        ],
      });
      // The rest of the image is not touched.
      expect((await berth.oci("GET", "/v2/app/manifests/v1")).status).toBe(200);

      expect(await dockerPush()).toEqual([content]);
      const healed = await berth.oci("GET", blobUrl);
      expect([healed.status, await healed.text()]).toEqual([200, content]);
      expect(await runCheck({ rehash: true, repair: true })).toEqual([]);
      expect(readFileSync(layerFile()).includes(content)).toBe(atRest === "volume");
    });

    test("is mended by a repair from the copy of a push that lost a race", async () => {
      const good = layerFile();
      const staging = await berth.stores.blobs.begin(serverScope);
      const bytes = async function* () {
        yield new TextEncoder().encode(content);
      };
      const staged = await berth.stores.blobs.append(staging, 0, bytes(), { scope: serverScope, algorithm: "sha256" });
      await berth.stores.blobs.commit(staging, digest as never, staged, serverScope);
      harm(good);
      expect(await runCheck({ ...options, repair: true })).toEqual([`${kind} repaired v1`]);
      expect(await (await berth.oci("GET", blobUrl)).text()).toBe(content);
      expect(await dockerPush()).toEqual([]);
      rmSync(join(berth.stores.root, "sha256", digest.slice(7, 9), `${digest.slice(7)}.${staging}`));
    });
  });

  test("a layer that got shorter is not served as if it were whole, also before any check", async () => {
    truncateSync(layerFile(), 7);
    expect((await berth.oci("GET", blobUrl)).status).toBe(500);
    expect((await berth.oci("GET", blobUrl, { headers: { range: "bytes=3-" } })).status).toBe(500);
    const { error } = berth.logged.at(-2) as { error: Error };
    expect(String(error)).toMatch(atRest === "volume" ? "has 7 bytes instead of 26" : /sealed copy/);
    await runCheck();
    await dockerPush();
  });
});
