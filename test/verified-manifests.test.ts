import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CreateRepositoryCommand, PutImageCommand } from "@aws-sdk/client-ecr";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { changes, inPieces, type Path, told, toldByApi } from "./support/pushes.ts";
import { streamOf, watched } from "./support/watched.ts";

/** Manifests are not published before their hash is verified either (S15): their digest is optional, and they come in whole. */

let one: InProcess;
let names = 0;
beforeAll(async () => {
  one = await inProcess();
});
afterAll(() => one.close());

async function newRepository(): Promise<string> {
  const repositoryName = `verified/r${names++}`;
  await one.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  return repositoryName;
}

const paths: Record<string, Path> = {
  "PUT by digest": {
    covers: ["manifest.write"],
    refused: "DIGEST_INVALID",
    push: ({ repository, digest, pieces, look }) =>
      told(
        one.oci("PUT", `/v2/${repository}/manifests/${digest}?tag=by-digest`, {
          headers: { "content-type": mediaTypes.manifest },
          body: streamOf(pieces, look),
        }),
      ),
  },
  PutImage: {
    covers: ["PutImage"],
    refused: "ImageDigestDoesNotMatchException",
    async push({ repository: repositoryName, digest: imageDigest, pieces, look }) {
      await look();
      const input = { repositoryName, imageManifest: pieces.join(""), imageDigest, imageTag: "by-api" };
      return toldByApi(one.ecr().send(new PutImageCommand(input)));
    },
  },
};

describe.each(Object.entries(paths))("a manifest by %s", (name, path) => {
  test.each(Object.entries(changes))("%s", async (change, changed) => {
    const repository = await newRepository();
    const config = { mediaType: mediaTypes.config, ...(await one.pushBlob(repository, "{}")) };
    const manifestOf = (note: string) =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config,
        layers: [],
        annotations: { note },
      });
    const right = manifestOf(`${name}: ${change}`);
    const wrong = manifestOf(changed(`${name}: ${change}`));
    const watch = { berths: [one], repositories: [repository], kind: "manifests" as const, right };
    for (const algorithm of name === "PutImage" ? ["sha256"] : ["sha256", "sha512"]) {
      const digest = digestOf(right, algorithm);
      for (const wanted of [digest, digestOf(wrong), digestOf(wrong, "sha512"), "by-digest", "by-api"]) {
        const refused = await watched({ ...watch, digest: wanted }, (look) =>
          path.push({ repository, digest, pieces: inPieces(wrong), look }),
        );
        expect(refused).toEqual({ result: path.refused, seen: [] });
      }
      expect(await path.push({ repository, digest, pieces: inPieces(right), look: async () => {} })).toBe("done");
      const again = await watched({ ...watch, digest, since: "the start" as const }, (look) =>
        path.push({ repository, digest, pieces: inPieces(wrong), look }),
      );
      expect(again).toEqual({ result: path.refused, seen: [] });
      for (const tag of ["by-digest", "by-api"]) await one.oci("DELETE", `/v2/${repository}/manifests/${tag}`);
    }
  });
});

test("a manifest by tag has the digest of its bytes, and is not there before they all are", async () => {
  const repository = await newRepository();
  const config = { mediaType: mediaTypes.config, ...(await one.pushBlob(repository, "{}")) };
  const right = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [] });
  const watch = { berths: [one], repositories: [repository], kind: "manifests" as const, right };
  const headers = { "content-type": mediaTypes.manifest };
  const put = (pieces: readonly string[], look: () => Promise<void>, fails?: Error) =>
    one.oci("PUT", `/v2/${repository}/manifests/v1`, { headers, body: streamOf(pieces, look, fails) });
  for (const digest of ["v1", digestOf(right)]) {
    const broken = await watched({ ...watch, digest }, (look) =>
      put([right], look, new Error("the connection broke")).then(({ ok }) => ok),
    );
    expect(broken).toEqual({ result: false, seen: [] });
  }
  const done = await watched({ ...watch, digest: "v1", since: "the last look" }, (look) => put(inPieces(right), look));
  expect(done.seen).toEqual([]);
  expect(done.result.headers.get("docker-content-digest")).toBe(digestOf(right));
});
