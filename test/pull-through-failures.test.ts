import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import {
  BatchGetImageCommand,
  CreatePullThroughCacheRuleCommand,
  GetDownloadUrlForLayerCommand,
  ListImageReferrersCommand,
} from "@aws-sdk/client-ecr";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { rootAuthorization, serve, startUpstream, type Upstream, upstreamsHere } from "./support/upstream.ts";

/**
 * Caches before bad upstreams: whatever one sends or leaves out, nothing wrong is ever published, nobody takes a part for
 * the whole, and nothing half-done is left.
 */

setDefaultTimeout(30_000);

describe.each(["sealed", "volume"] as const)("with layers at rest %s", (atRest) => {
  let berth: InProcess;
  let upstream: Upstream;
  let server: Bun.Server<undefined>;
  let names = 0;
  const remotes = createRemotes({
    clock: () => berth.now,
    pauseMs: 1,
    patience: { connectMs: 5_000, firstByteMs: 300, idleMs: 300 },
  });
  const layer = new Uint8Array(6 * 1024 * 1024).map((_, at) => (at * 7919) >> 4);
  const digest = digestOf(layer);

  beforeAll(async () => {
    upstream = await startUpstream();
    berth = await inProcess({ atRest, upstreams: upstreamsHere, openRemote: remotes.open, cachePauseMs: 5 });
    server = serve(berth);
    await berth
      .ecr()
      .send(new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstream.host }));
  });
  afterEach(() => {
    upstream.instead = undefined;
    upstream.asked.length = 0;
    // Nobody waits for an upstream that was bad to the test before.
    berth.now = new Date(berth.now.getTime() + 3_600_000);
  });
  afterAll(async () => {
    expect(berth.logged).toEqual([]);
    await server.stop(true);
    await berth.close();
    remotes.close();
    await upstream.close();
  });

  /** A repository of a cache that knows an image and has none of its layers. */
  async function known(): Promise<string> {
    const name = `app${names++}`;
    upstream.image(name, "1", layer);
    expect((await berth.oci("GET", `/v2/far/${name}/manifests/1`)).status).toBe(200);
    return name;
  }

  const pull = (name: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url.origin}/v2/far/${name}/blobs/${digest}`, {
      headers: { authorization: rootAuthorization, ...headers },
    });
  /** The status and the digest of all bytes, or that the connection was cut. */
  async function whole(name: string, headers?: Record<string, string>): Promise<[number, string] | "cut"> {
    try {
      const answer = await pull(name, headers);
      return [answer.status, digestOf(await answer.bytes())];
    } catch {
      return "cut";
    }
  }
  const codeOf = async (path: string) => {
    const answer = await berth.oci("GET", path);
    const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
    return [answer.status, errors[0]?.code, errors[0]?.message];
  };
  /** Nothing of what failed is left, neither as a blob nor on the way to be one. */
  async function nothingLeft(): Promise<void> {
    const folder = join(berth.stores.root, "staging");
    while (readdirSync(folder).length > 0) await Bun.sleep(5);
  }
  async function isLinked(name: string): Promise<boolean> {
    const { repositories, layers } = berth.stores.metadata.read;
    const registry = { account: "000000000000", region: "us-east-1" } as never;
    const repository = await repositories.find(registry, `far/${name}` as never);
    return repository !== undefined && (await layers.find(repository.id, digest as never)) !== undefined;
  }
  const isBlob = (url = "") => url.includes(`/blobs/${digest}`);
  const wrong = layer.slice().fill(1, layer.length - 100);

  const send = (response: ServerResponse, bytes: Uint8Array, length = bytes.length) => {
    response.writeHead(200, { "content-length": length });
    return new Promise<void>((resolve) => response.write(bytes, () => resolve()));
  };

  test("lies about a digest: cut off, and nothing is published", async () => {
    const name = await known();
    upstream.instead = async ({ url }, response) => {
      if (!isBlob(url)) return false;
      await send(response, wrong);
      response.end();
      return true;
    };
    expect(await whole(name)).toBe("cut");
    // Neither a part of it that would have been right.
    expect(await whole(name, { range: "bytes=0-9" })).toBe("cut");
    await nothingLeft();
    expect(await isLinked(name)).toBe(false);
    upstream.instead = undefined;
    expect(await whole(name)).toEqual([200, digest]);
  });

  test.each([
    ["shorter", layer.length - 1],
    ["longer", layer.length + 1],
  ])("lies about a length: %s", async (_, length) => {
    const name = await known();
    upstream.instead = async ({ url }, response) => {
      if (!isBlob(url)) return false;
      await send(response, new Uint8Array(length));
      response.end();
      return true;
    };
    const told = await whole(name);
    expect(told === "cut" ? 502 : told[0]).toBe(502);
    await nothingLeft();
    expect(await isLinked(name)).toBe(false);
  });

  test("stops in the middle, again and again: goes on from there", async () => {
    const name = await known();
    const stops = [1, 100_000, 3_000_000, 5_999_999];
    upstream.instead = async ({ url, headers: { range = "" } }, response) => {
      const stop = isBlob(url) ? stops.shift() : undefined;
      if (stop === undefined) return false;
      const first = Number(/\d+/.exec(range)?.[0] ?? 0);
      const headers = { "content-length": layer.length - first };
      const contentRange = { "content-range": `bytes ${first}-${layer.length - 1}/${layer.length}` };
      response.writeHead(first > 0 ? 206 : 200, { ...headers, ...(first > 0 && contentRange) });
      await new Promise<void>((resolve) => response.write(layer.subarray(first, stop), () => resolve()));
      response.destroy();
      return true;
    };
    expect(await whole(name)).toEqual([200, digest]);
    expect(upstream.asked.filter((line) => isBlob(line))).toHaveLength(5);
    await nothingLeft();
  });

  test("stops in the middle and does not come back: cut off", async () => {
    const name = await known();
    upstream.instead = async ({ url, headers: { range } }, response) => {
      if (!isBlob(url)) return false;
      if (range === undefined) await send(response, layer.subarray(0, 1_000_000), layer.length);
      response.destroy();
      return true;
    };
    expect(await whole(name)).toBe("cut");
    expect(upstream.asked.filter((line) => isBlob(line))).toHaveLength(6);
    await nothingLeft();
    expect(await isLinked(name)).toBe(false);
  });

  test("hangs in the middle: given up, and gone on", async () => {
    const name = await known();
    upstream.instead = async ({ url, headers: { range } }, response) => {
      if (!isBlob(url) || range !== undefined) return false;
      await send(response, layer.subarray(0, 1_000_000), layer.length);
      return true;
    };
    expect(await whole(name)).toEqual([200, digest]);
  });

  test("gives the first bytes before the rest, and a client that leaves does not stop it", async () => {
    const name = await known();
    const rest = Promise.withResolvers<void>();
    upstream.instead = async ({ url }, response) => {
      if (!isBlob(url)) return false;
      await send(response, layer.subarray(0, 70_000), layer.length);
      await rest.promise;
      response.end(layer.subarray(70_000));
      return true;
    };
    const leaving = await pull(name);
    const reader = leaving.body?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    const staying = await pull(name);
    await reader?.cancel();
    rest.resolve();
    expect(digestOf(await staying.bytes())).toBe(digest);
    expect(upstream.asked.filter((line) => isBlob(line))).toHaveLength(1);
    while (!(await isLinked(name))) await Bun.sleep(5);
  });

  test("redirects to a private address: not followed", async () => {
    const name = await known();
    upstream.instead = ({ url }, response) => {
      if (!isBlob(url)) return false;
      response.writeHead(307, { location: "http://10.0.0.1/secrets" });
      response.end();
      return true;
    };
    const [status, code] = await codeOf(`/v2/far/${name}/blobs/${digest}`);
    expect([status, code]).toEqual([502, "UNKNOWN"]);
  });

  test.each([
    [429, { "retry-after": "7" }, 429, "TOOMANYREQUESTS", "UpstreamTooManyRequests"],
    [500, {}, 502, "UNKNOWN", "UpstreamUnavailable"],
    [403, {}, 403, "DENIED", "UpstreamAccessDenied"],
  ])(
    "answers %i: said, a copy served, and nothing let through",
    async (answered, headers, status, code, failureCode) => {
      const name = await known();
      const cached = await berth.oci("GET", `/v2/far/${name}/manifests/1`);
      let isAsked = 0;
      upstream.instead = (_, response) => {
        isAsked++;
        response.writeHead(answered, headers);
        response.end();
        return true;
      };
      expect((await codeOf(`/v2/far/absent${name}/manifests/1`)).slice(0, 2)).toEqual([status, code]);
      berth.now = new Date(berth.now.getTime() + 48 * 3_600_000);
      const stale = await berth.oci("GET", `/v2/far/${name}/manifests/1`);
      expect([stale.status, await stale.text()]).toEqual([200, await cached.text()]);
      if (answered === 429) {
        const before = isAsked;
        const busy = await berth.oci("GET", `/v2/far/absent${name}/manifests/1`);
        expect([busy.status, busy.headers.get("retry-after")]).toEqual([429, "7"]);
        // It said to wait, and is not asked.
        expect(isAsked).toBe(before);
      }
      const ecr = berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
      const { failures } = await ecr.send(
        new BatchGetImageCommand({ repositoryName: `far/absent${name}`, imageIds: [{ imageTag: "1" }] }),
      );
      expect(failures?.map((failure) => failure.failureCode as string)).toEqual([failureCode]);
      const url = new GetDownloadUrlForLayerCommand({ repositoryName: `far/${name}`, layerDigest: digest });
      await expect(ecr.send(url)).rejects.toMatchObject({ name: "UnableToGetUpstreamLayerException" });
      const list = new ListImageReferrersCommand({
        repositoryName: `far/${name}`,
        subjectId: { imageDigest: digestOf(upstream.manifests.get(`${name}/1`) ?? "") },
      });
      await expect(ecr.send(list)).rejects.toMatchObject({ name: "UnableToListUpstreamImageReferrersException" });
      expect((await berth.oci("GET", `/v2/far/absent${name}/tags/list`)).status).toBe(404);
    },
  );

  test("does not answer: said, or a copy served", async () => {
    const name = await known();
    upstream.instead = () => true;
    expect((await codeOf(`/v2/far/absent${name}/manifests/1`)).slice(0, 2)).toEqual([502, "UNKNOWN"]);
    berth.now = new Date(berth.now.getTime() + 48 * 3_600_000);
    expect((await berth.oci("GET", `/v2/far/${name}/manifests/1`)).status).toBe(200);
  });

  test("has no such image: said, and not asked again at once", async () => {
    const path = "/v2/far/nothing/manifests/here";
    const no = [404, "MANIFEST_UNKNOWN", "Requested image not found"];
    for (const _ of [1, 2, 3]) expect(await codeOf(path)).toEqual(no);
    expect(upstream.asked).toHaveLength(1);
    berth.now = new Date(berth.now.getTime() + 61_000);
    expect(await codeOf(path)).toEqual(no);
    expect(upstream.asked).toHaveLength(2);
    expect((await berth.oci("GET", "/v2/far/nothing/tags/list")).status).toBe(404);
  });

  test("sends a manifest that is none, or another than its digest says", async () => {
    const [none, other] = [digestOf("none"), digestOf("other")];
    upstream.manifests.set("bad/text", '{"mediaType":"text/plain"}');
    upstream.manifests.set(`bad/${none}`, "{}");
    upstream.manifests.set(`bad/${other}`, upstream.manifests.get("app0/1") ?? "");
    for (const reference of ["text", none, other]) {
      expect((await codeOf(`/v2/far/bad/manifests/${reference}`)).slice(0, 2)).toEqual([502, "UNKNOWN"]);
    }
  });

  test("lists what does not refer to the image: left out", async () => {
    const name = await known();
    const subject = digestOf(upstream.manifests.get(`${name}/1`) ?? "");
    const stranger = upstream.image(name, "stranger", "no referrer");
    upstream.instead = ({ url = "" }, response) => {
      if (!url.includes("/referrers/")) return false;
      const listed = [{ mediaType: mediaTypes.manifest, digest: stranger, size: 1 }];
      response.writeHead(200, { "content-type": mediaTypes.index });
      response.end(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: listed }));
      return true;
    };
    const answer = await berth.oci("GET", `/v2/far/${name}/referrers/${subject}`);
    expect([answer.status, ((await answer.json()) as { manifests: unknown[] }).manifests]).toEqual([200, []]);
  });
});
