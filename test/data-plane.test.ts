import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BatchGetImageCommand, CreateRepositoryCommand, PutAccountSettingCommand } from "@aws-sdk/client-ecr";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess();
  for (const repositoryName of ["app", "other", "empty"]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  }
});
afterAll(() => berth.close());

const location = (response: Response) => response.headers.get("location") ?? "";
const text = async (path: string, headers = {}) => (await berth.oci("GET", path, { headers })).text();

async function begin(repository = "app", query = ""): Promise<string> {
  const begun = await berth.oci("POST", `/v2/${repository}/blobs/uploads/${query}`);
  expect(begun.status).toBe(202);
  expect(begun.headers.get("range")).toBe("0-0");
  return location(begun);
}

describe("pushing a blob", () => {
  const content = "hello, blob";
  const digest = digestOf(content);

  test("in one POST", async () => {
    const pushed = await berth.oci("POST", `/v2/app/blobs/uploads/?digest=${digest}`, { body: content });
    expect(pushed.status).toBe(201);
    expect(pushed.headers.get("docker-content-digest")).toBe(digest);
    expect(await text(location(pushed))).toBe(content);
  });

  test("with POST and PUT", async () => {
    const upload = await begin("other");
    const pushed = await berth.oci("PUT", `${upload}?digest=${digest}`, { body: content });
    expect(pushed.status).toBe(201);
    expect(await text(location(pushed))).toBe(content);
  });

  test("in chunks, the last with the PUT", async () => {
    const upload = await begin();
    const chunk = (body: string, range: string) =>
      berth.oci("PATCH", upload, { body, headers: { "content-range": range } });
    const first = await chunk("abc", "0-2");
    expect([first.status, first.headers.get("range")]).toEqual([202, "0-2"]);
    const second = await chunk("def", "bytes 3-5/9");
    expect(second.headers.get("range")).toBe("0-5");
    const status = await berth.oci("GET", upload);
    expect([status.status, status.headers.get("range"), location(status)]).toEqual([204, "0-5", upload]);
    const pushed = await berth.oci("PUT", `${upload}?digest=${digestOf("abcdefghi")}`, {
      body: "ghi",
      headers: { "content-range": "6-8" },
    });
    expect(pushed.status).toBe(201);
    expect(await text(location(pushed))).toBe("abcdefghi");
    expect((await berth.oci("GET", upload)).status).toBe(404);
  });

  test("a chunk out of order is 416 with the place to go on from, and harms nothing", async () => {
    const upload = await begin();
    await berth.oci("PATCH", upload, { body: "abc" });
    for (const [method, range, given] of [
      ["PATCH", "5-7", 5],
      ["PATCH", "0-2", 0],
      ["PUT", "9-11", 9],
    ] as const) {
      const path = method === "PUT" ? `${upload}?digest=${digestOf("abcxyz")}` : upload;
      const refused = await berth.oci(method, path, { body: "xyz", headers: { "content-range": range } });
      expect(refused.status).toBe(416);
      expect([refused.headers.get("range"), location(refused)]).toEqual(["0-2", upload]);
      expect(await refused.json()).toEqual({
        errors: [{ code: "BLOB_UPLOAD_INVALID", message: `First byte of the layer part is ${given} instead of 3` }],
      });
    }
    expect((await berth.oci("PUT", `${upload}?digest=${digestOf("abcxyz")}`, { body: "xyz" })).status).toBe(201);
  });

  test("by sha512, with and without saying so first", async () => {
    for (const query of ["", "?digest-algorithm=sha512"]) {
      const upload = await begin("app", query);
      await berth.oci("PATCH", upload, { body: "five-twelve" });
      const wanted = digestOf("five-twelve", "sha512");
      const pushed = await berth.oci("PUT", `${upload}?digest=${wanted}`);
      expect(pushed.status).toBe(201);
      expect(pushed.headers.get("docker-content-digest")).toBe(wanted);
      expect(await text(`/v2/app/blobs/${wanted}`)).toBe("five-twelve");
    }
  });

  test("of no bytes at all", async () => {
    const upload = await begin();
    const pushed = await berth.oci("PUT", `${upload}?digest=${digestOf("")}`);
    expect(pushed.status).toBe(201);
    const read = await berth.oci("GET", `/v2/app/blobs/${digestOf("")}`);
    expect([read.status, await read.text()]).toEqual([200, ""]);
  });

  test("of other bytes than the digest says publishes nothing", async () => {
    const wrong = digestOf("something else entirely");
    const upload = await begin();
    const refused = await berth.oci("PUT", `${upload}?digest=${wrong}`, { body: content });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual({
      errors: [
        { code: "DIGEST_INVALID", message: "None of the provided layer digests match the calculated layer digest" },
      ],
    });
    expect((await berth.oci("HEAD", `/v2/app/blobs/${wrong}`)).status).toBe(404);
    expect((await berth.oci("GET", upload)).status).toBe(404);
  });

  test("can be called off", async () => {
    const upload = await begin();
    await berth.oci("PATCH", upload, { body: "abc" });
    expect((await berth.oci("DELETE", upload)).status).toBe(204);
    for (const method of ["GET", "PATCH", "DELETE"]) expect((await berth.oci(method, upload)).status).toBe(404);
  });

  test("an upload belongs to its repository", async () => {
    const upload = (await begin("app")).replace("/v2/app/", "/v2/other/");
    for (const method of ["GET", "PATCH", "DELETE"]) expect((await berth.oci(method, upload)).status).toBe(404);
  });
});

describe("mounting", () => {
  test("with and without a source, and not what is nowhere", async () => {
    const digest = digestOf("to be mounted");
    await berth.pushImage("app", "mounted", "to be mounted");
    const mounted = await berth.oci("POST", `/v2/other/blobs/uploads/?mount=${digest}&from=app`);
    expect([mounted.status, location(mounted)]).toEqual([201, `/v2/other/blobs/${digest}`]);
    const anywhere = await berth.oci("POST", `/v2/empty/blobs/uploads/?mount=${digest}`);
    expect(anywhere.status).toBe(201);
    expect(await text(`/v2/empty/blobs/${digest}`)).toBe("to be mounted");
    const nowhere = await berth.oci("POST", `/v2/empty/blobs/uploads/?mount=${digestOf("nowhere")}&from=app`);
    expect(nowhere.status).toBe(202);
    const noSource = await berth.oci("POST", `/v2/empty/blobs/uploads/?mount=${digest}&from=missing`);
    expect(noSource.status).toBe(202);
  });

  test("not before an image has the layer where it is to come from, nor after", async () => {
    const { digest } = await berth.pushBlob("app", "of no image yet");
    const mounts = async () => {
      const answers: number[] = [];
      for (const source of ["&from=app", ""]) {
        const answer = await berth.oci("POST", `/v2/empty/blobs/uploads/?mount=${digest}${source}`);
        answers.push(answer.status);
      }
      return answers;
    };
    expect(await mounts()).toEqual([202, 202]);
    const image = await berth.pushImage("app", "with-layer", "of no image yet");
    expect((await berth.oci("DELETE", `/v2/app/manifests/${image.digest}`)).status).toBe(202);
    expect(await mounts()).toEqual([202, 202]);
    await berth.pushImage("app", "with-layer", "of no image yet");
    expect(await mounts()).toEqual([201, 201]);
  });

  test("not while BLOB_MOUNTING is off, which leaves what was mounted", async () => {
    const set = (value: string) => berth.ecr().send(new PutAccountSettingCommand({ name: "BLOB_MOUNTING", value }));
    const [early, late] = [digestOf("mounted early"), digestOf("mounted late")];
    await berth.pushImage("app", "early", "mounted early");
    await berth.pushImage("app", "late", "mounted late");
    const mount = async (digest: string) =>
      (await berth.oci("POST", `/v2/empty/blobs/uploads/?mount=${digest}&from=app`)).status;
    expect(await mount(early)).toBe(201);
    await set("DISABLED");
    expect([await mount(early), await mount(late)]).toEqual([202, 202]);
    expect(await text(`/v2/empty/blobs/${early}`)).toBe("mounted early");
    expect((await berth.oci("HEAD", `/v2/empty/blobs/${late}`)).status).toBe(404);
    await set("ENABLED");
    expect(await mount(late)).toBe(201);
  });

  test("deleting where it came from leaves the other", async () => {
    const digest = digestOf("mounted and orphaned");
    const image = await berth.pushImage("app", "orphaned", "mounted and orphaned");
    await berth.oci("POST", `/v2/other/blobs/uploads/?mount=${digest}&from=app`);
    expect((await berth.oci("DELETE", `/v2/app/manifests/${image.digest}`)).status).toBe(202);
    expect((await berth.oci("DELETE", `/v2/app/blobs/${digest}`)).status).toBe(202);
    expect((await berth.oci("HEAD", `/v2/app/blobs/${digest}`)).status).toBe(404);
    expect(await text(`/v2/other/blobs/${digest}`)).toBe("mounted and orphaned");
  });
});

describe("reading a blob", () => {
  const content = "0123456789";
  const digest = digestOf(content);
  beforeAll(() => berth.pushBlob("app", content));

  test("HEAD tells what GET would", async () => {
    const head = await berth.oci("HEAD", `/v2/app/blobs/${digest}`);
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe("10");
    expect(head.headers.get("docker-content-digest")).toBe(digest);
    expect(head.headers.get("accept-ranges")).toBe("bytes");
    expect(await head.text()).toBe("");
  });

  test.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-2", "89", "bytes 8-9/10"],
    ["bytes=8-100", "89", "bytes 8-9/10"],
  ])("%s", async (range, part, contentRange) => {
    const read = await berth.oci("GET", `/v2/app/blobs/${digest}`, { headers: { range } });
    expect([read.status, await read.text()]).toEqual([206, part]);
    expect(read.headers.get("content-range")).toBe(contentRange);
  });

  test("several ranges are answered whole, one outside is 416", async () => {
    const several = await berth.oci("GET", `/v2/app/blobs/${digest}`, { headers: { range: "bytes=0-1,3-4" } });
    expect([several.status, await several.text()]).toEqual([200, content]);
    const outside = await berth.oci("GET", `/v2/app/blobs/${digest}`, { headers: { range: "bytes=10-" } });
    expect([outside.status, outside.headers.get("content-range")]).toEqual([416, "bytes */10"]);
  });

  test("a blob of another repository is not here", async () => {
    expect((await berth.oci("GET", `/v2/empty/blobs/${digest}`)).status).toBe(404);
  });
});

describe("manifests", () => {
  test("come back byte for byte, by tag and by digest", async () => {
    const { digest, manifest } = await berth.pushImage("app", "v1", "layer one", { "x-unknown": { kept: true } });
    for (const reference of ["v1", digest]) {
      const read = await berth.oci("GET", `/v2/app/manifests/${reference}`);
      expect([read.status, await read.text()]).toEqual([200, manifest]);
      expect(read.headers.get("content-type")).toBe(mediaTypes.manifest);
      expect(read.headers.get("docker-content-digest")).toBe(digest);
      const head = await berth.oci("HEAD", `/v2/app/manifests/${reference}`);
      expect(head.headers.get("content-length")).toBe(String(manifest.length));
    }
    const sdk = await berth
      .ecr()
      .send(new BatchGetImageCommand({ repositoryName: "app", imageIds: [{ imageTag: "v1" }] }));
    expect(sdk.images?.[0]?.imageManifest).toBe(manifest);
  });

  test("a push by digest brings tags along", async () => {
    const { digest, manifest } = await berth.pushImage("app", "first", "many tags");
    const pushed = await berth.oci("PUT", `/v2/app/manifests/${digest}?tag=a1&tag=a2`, {
      headers: { "content-type": mediaTypes.manifest },
      body: manifest,
    });
    expect([pushed.status, pushed.headers.get("oci-tag")]).toEqual([201, "a1, a2"]);
    expect((await berth.oci("HEAD", "/v2/app/manifests/a2")).headers.get("docker-content-digest")).toBe(digest);
  });

  test("by sha512", async () => {
    const { manifest } = await berth.pushImage("app", "for512", "sha512 manifest");
    const digest = digestOf(manifest, "sha512");
    const pushed = await berth.oci("PUT", `/v2/app/manifests/${digest}?tag=t512`, {
      headers: { "content-type": mediaTypes.manifest },
      body: manifest,
    });
    expect([pushed.status, pushed.headers.get("docker-content-digest")]).toEqual([201, digest]);
    expect(await text(`/v2/app/manifests/${digest}`)).toBe(manifest);
    expect((await berth.oci("HEAD", "/v2/app/manifests/t512")).headers.get("docker-content-digest")).toBe(digest);
  });

  test("an index of indexes; no part goes before the whole", async () => {
    const { digest: child, manifest } = await berth.pushImage("app", "child", "child layer");
    const put = async (reference: string, children: { digest: string; size: number; mediaType: string }[]) => {
      const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
      const pushed = await berth.oci("PUT", `/v2/app/manifests/${reference}`, {
        headers: { "content-type": mediaTypes.index },
        body,
      });
      expect(pushed.status).toBe(201);
      return { digest: digestOf(body), size: body.length, mediaType: mediaTypes.index };
    };
    const inner = await put("inner", [{ mediaType: mediaTypes.manifest, digest: child, size: manifest.length }]);
    const outer = await put("outer", [inner]);
    const refused = await berth.oci("DELETE", `/v2/app/manifests/${child}`);
    expect(refused.status).toBe(405);
    expect(await refused.json()).toEqual({
      errors: [{ code: "UNSUPPORTED", message: `Requested image referenced by manifest list: [${inner.digest}]` }],
    });
    for (const digest of [outer.digest, inner.digest, child]) {
      expect((await berth.oci("DELETE", `/v2/app/manifests/${digest}`)).status).toBe(202);
      expect((await berth.oci("HEAD", `/v2/app/manifests/${digest}`)).status).toBe(404);
    }
  });

  test("deleting a tag leaves the image; deleting the image takes its tags", async () => {
    const { digest } = await berth.pushImage("app", "gone", "tag deletion");
    expect((await berth.oci("DELETE", "/v2/app/manifests/gone")).status).toBe(202);
    expect((await berth.oci("HEAD", "/v2/app/manifests/gone")).status).toBe(404);
    expect((await berth.oci("HEAD", `/v2/app/manifests/${digest}`)).status).toBe(200);
    await berth.pushImage("app", "gone", "tag deletion");
    expect((await berth.oci("DELETE", `/v2/app/manifests/${digest}`)).status).toBe(202);
    expect((await berth.oci("HEAD", "/v2/app/manifests/gone")).status).toBe(404);
  });

  test("a layer goes after its image, not before", async () => {
    const { digest } = await berth.pushImage("app", "layered", "needed layer");
    const layer = digestOf("needed layer");
    expect((await berth.oci("DELETE", `/v2/app/blobs/${layer}`)).status).toBe(405);
    await berth.oci("DELETE", `/v2/app/manifests/${digest}`);
    expect((await berth.oci("DELETE", `/v2/app/blobs/${layer}`)).status).toBe(202);
    expect((await berth.oci("DELETE", `/v2/app/blobs/${layer}`)).status).toBe(404);
  });
});

test("a foreign layer that was pushed belongs to its image", async () => {
  const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
  const layer = { mediaType, urls: ["https://example.com/x"], ...(await berth.pushBlob("app", "foreign but here")) };
  const absent = { mediaType, digest: digestOf("foreign and elsewhere"), size: 9 };
  const { digest } = await berth.pushImage("app", "foreign", "plain layer", { layers: [layer, absent] });
  expect((await berth.oci("DELETE", `/v2/app/blobs/${layer.digest}`)).status).toBe(405);
  await berth.oci("DELETE", `/v2/app/manifests/${digest}`);
  expect((await berth.oci("DELETE", `/v2/app/blobs/${layer.digest}`)).status).toBe(202);
});

describe("referrers", () => {
  test("subject need not exist, the filter is named, pages follow their links", async () => {
    const subject = { mediaType: mediaTypes.manifest, digest: digestOf("not here yet"), size: 12 };
    const pushed: string[] = [];
    for (const [content, artifactType] of [
      ["ref a", "test/a"],
      ["ref b", "test/b"],
      ["ref c", "test/a"],
    ] as const) {
      const annotations = { from: content };
      const { digest } = await berth.pushImage("other", `r${pushed.length}`, content, {
        subject,
        artifactType,
        annotations,
      });
      pushed.push(digest);
    }
    const path = `/v2/other/referrers/${subject.digest}`;
    const all = await berth.oci("GET", path);
    expect(all.headers.get("content-type")).toBe(mediaTypes.index);
    const index = (await all.json()) as { schemaVersion: number; manifests: { digest: string; annotations: object }[] };
    expect(index.schemaVersion).toBe(2);
    expect(index.manifests.map(({ digest }) => digest)).toEqual(pushed);
    expect(index.manifests[0]).toMatchObject({
      mediaType: mediaTypes.manifest,
      artifactType: "test/a",
      annotations: { from: "ref a" },
    });

    const filtered = await berth.oci("GET", `${path}?artifactType=test/b`);
    expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
    expect(((await filtered.json()) as typeof index).manifests.map(({ digest }) => digest)).toEqual([pushed[1] ?? ""]);

    const seen: string[] = [];
    for (let next: string | undefined = `${path}?n=1&artifactType=test/a`; next; ) {
      const page: Response = await berth.oci("GET", next);
      seen.push(...((await page.json()) as typeof index).manifests.map(({ digest }) => digest));
      next = /<(.*)>/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual([pushed[0] ?? "", pushed[2] ?? ""]);
  });

  test("a page ends before it is too large for clients", async () => {
    const subject = { mediaType: mediaTypes.manifest, digest: digestOf("much referred to"), size: 1 };
    const annotations = { long: "x".repeat(1_000_000) };
    for (let count = 0; count < 5; count++) {
      await berth.pushImage("other", `long-${count}`, `long ${count}`, { subject, annotations });
    }
    const pages: number[] = [];
    for (let next: string | undefined = `/v2/other/referrers/${subject.digest}`; next; ) {
      const page: Response = await berth.oci("GET", next);
      const body = await page.text();
      expect(body.length).toBeLessThan(4 * 1024 * 1024);
      pages.push((JSON.parse(body) as { manifests: object[] }).manifests.length);
      next = /<(.*)>/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(pages).toEqual([3, 2]);
  });

  test("OCI-Subject, and an empty list for what nobody refers to", async () => {
    const subject = { mediaType: mediaTypes.manifest, digest: digestOf("x"), size: 1 };
    await berth.pushBlob("other", "{}");
    const config = { mediaType: mediaTypes.config, digest: digestOf("{}"), size: 2 };
    const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [], subject });
    const put = await berth.oci("PUT", `/v2/other/manifests/${digestOf(body)}`, {
      headers: { "content-type": mediaTypes.manifest },
      body,
    });
    expect([put.status, put.headers.get("oci-subject")]).toEqual([201, subject.digest]);
    const none = await berth.oci("GET", `/v2/empty/referrers/${digestOf("nobody")}`);
    expect(await none.json()).toEqual({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
  });
});

describe("lists", () => {
  test("tags in the order of bytes, in pages", async () => {
    const repositoryName = "lists/tags";
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
    const { digest, manifest } = await berth.pushImage(repositoryName, "b", "tag list");
    const tags = ["a", "B", "_", "0", "a-1", "a.1"];
    const query = tags.map((tag) => `tag=${tag}`).join("&");
    const headers = { "content-type": mediaTypes.manifest };
    await berth.oci("PUT", `/v2/${repositoryName}/manifests/${digest}?${query}`, { headers, body: manifest });
    const sorted = ["0", "B", "_", "a", "a-1", "a.1", "b"];
    const list = async (query: string) => {
      const response = await berth.oci("GET", `/v2/${repositoryName}/tags/list${query}`);
      return { ...((await response.json()) as { name: string; tags: string[] }), link: response.headers.get("link") };
    };
    expect(await list("")).toEqual({ name: repositoryName, tags: sorted, link: null });
    expect(await list("?n=0")).toEqual({ name: repositoryName, tags: [], link: null });
    expect((await list("?last=_")).tags).toEqual(["a", "a-1", "a.1", "b"]);
    const first = await list("?n=3");
    expect(first).toMatchObject({
      tags: ["0", "B", "_"],
      link: `</v2/${repositoryName}/tags/list?n=3&last=_>; rel="next"`,
    });
    expect((await list("?n=7")).link).toBeNull();
  });

  test("the catalog in pages", async () => {
    const seen: string[] = [];
    for (let next: string | undefined = "/v2/_catalog?n=1"; next; ) {
      const page: Response = await berth.oci("GET", next);
      seen.push(...((await page.json()) as { repositories: string[] }).repositories);
      next = /<(.*)>/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(["app", "empty", "lists/tags", "other"]);
  });
});

describe("immutable tags", () => {
  test("cannot be moved, not even to where they are", async () => {
    const repositoryName = "locked";
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
    const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "one");
    const { manifest: other } = await berth.pushImage(repositoryName, "v2", "two");
    for (const body of [manifest, other]) {
      const refused = await berth.oci("PUT", `/v2/${repositoryName}/manifests/v1`, {
        headers: { "content-type": mediaTypes.manifest },
        body,
      });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toEqual({
        errors: [
          {
            code: "TAG_INVALID",
            message:
              "The image tag 'v1' already exists in the 'locked' repository and cannot be overwritten because the tag is immutable.",
          },
        ],
      });
    }
    expect((await berth.oci("HEAD", `/v2/${repositoryName}/manifests/v1`)).headers.get("docker-content-digest")).toBe(
      digest,
    );
  });
});

test("every move of a tag is kept", async () => {
  const one = await berth.pushImage("app", "moving", "first content");
  const two = await berth.pushImage("app", "moving", "second content");
  await berth.pushImage("app", "moving", "second content");
  await berth.oci("DELETE", "/v2/app/manifests/moving");
  const history = await berth.oci("GET", "/v2/app/_berth/tags/moving/history");
  const { moves } = (await history.json()) as { moves: { from?: string; to?: string; by: string; at: string }[] };
  expect(moves.map(({ from, to }) => [from, to])).toEqual([
    [two.digest, undefined],
    [one.digest, two.digest],
    [undefined, one.digest],
  ]);
  expect(new Set(moves.map(({ by }) => by))).toEqual(new Set(["arn:aws:iam::000000000000:root"]));
  expect(Number.isNaN(Date.parse(moves[0]?.at ?? ""))).toBe(false);
});

test("createOnPush makes the repository that a push needs", async () => {
  const eager = await inProcess({ createOnPush: true });
  const { digest } = await eager.pushImage("made/on/push", "v1", "content");
  expect((await eager.oci("HEAD", "/v2/made/on/push/manifests/v1")).headers.get("docker-content-digest")).toBe(digest);
  await eager.close();
});

test("20 clients push into one repository, 10 race for one tag", async () => {
  const images = await Promise.all(
    Array.from({ length: 20 }, (_, index) => berth.pushImage("app", `parallel-${index}`, `parallel layer ${index}`)),
  );
  for (const [index, { manifest }] of images.entries()) {
    expect(await text(`/v2/app/manifests/parallel-${index}`)).toBe(manifest);
  }
  const racers = images.slice(0, 10);
  const results = await Promise.all(
    racers.map(({ manifest }) =>
      berth.oci("PUT", "/v2/app/manifests/raced", { headers: { "content-type": mediaTypes.manifest }, body: manifest }),
    ),
  );
  expect(results.map(({ status }) => status)).toEqual(Array(10).fill(201));
  expect(racers.map(({ manifest }) => manifest)).toContain(await text("/v2/app/manifests/raced"));
});
