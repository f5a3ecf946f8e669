import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  InitiateLayerUploadCommand,
  PutImageCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { type Body, digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { allow, type Person } from "./support/people.ts";
import { toldByApi } from "./support/pushes.ts";
import { streamOf } from "./support/watched.ts";

/** Uploads in the hands of those who mean no good, or who are many. */

// The machine may be busy.
setDefaultTimeout(30_000);

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess();
  for (const repositoryName of ["app", "other"]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  }
});
afterAll(() => berth.close());

const begin = async (query = "", repository = "app") =>
  (await berth.oci("POST", `/v2/${repository}/blobs/uploads/${query}`)).headers.get("location") ?? "";
const patch = (upload: string, body: Body, range?: string) =>
  berth.oci("PATCH", upload, { body, headers: range === undefined ? {} : { "content-range": range } });
const put = (upload: string, digest: string, body?: Body, range?: string) =>
  berth.oci("PUT", `${upload}?digest=${encodeURIComponent(digest)}`, {
    body,
    headers: range === undefined ? {} : { "content-range": range },
  });
const rangeOf = async (upload: string) => (await berth.oci("GET", upload)).headers.get("range");
const read = (digest: string, repository = "app") => berth.oci("GET", `/v2/${repository}/blobs/${digest}`);
const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { errors: { code: string }[] }).errors[0]?.code,
];
const staged = () => readdirSync(join(berth.stores.root, "staging")).sort();

/** A body that stays away after its first piece, until it is told to go on. */
function hanging(first: string, rest = "") {
  const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
  const { promise: going, resolve: goOn } = Promise.withResolvers<void>();
  const body = streamOf([first, rest].filter(Boolean), () => {
    isSent();
    return going;
  });
  return { body, sent, goOn };
}

/** The claims of all who are writing now have run out. */
const claimsRunOut = () => {
  berth.now = new Date(berth.now.getTime() + 11_000);
};

describe("offsets", () => {
  test.each<[range: string, status: number, code: string]>([
    ["0-999999999999999", 416, "BLOB_UPLOAD_INVALID"],
    ["0-9999999999999999999999999999", 416, "BLOB_UPLOAD_INVALID"],
    ["3-999999999999999", 400, "SIZE_INVALID"],
    ["999999999999997-999999999999999", 416, "BLOB_UPLOAD_INVALID"],
    ["9007199254740993-9007199254740995", 416, "BLOB_UPLOAD_INVALID"],
    ["-1-1", 416, "BLOB_UPLOAD_INVALID"],
    ["-3--1", 416, "BLOB_UPLOAD_INVALID"],
    ["0-", 416, "BLOB_UPLOAD_INVALID"],
    ["2-4", 416, "BLOB_UPLOAD_INVALID"],
    ["4-6", 416, "BLOB_UPLOAD_INVALID"],
    ["3-4", 400, "SIZE_INVALID"],
    ["0x3-0x5", 416, "BLOB_UPLOAD_INVALID"],
    ["3e0-5e0", 416, "BLOB_UPLOAD_INVALID"],
    ["3.0-5.0", 416, "BLOB_UPLOAD_INVALID"],
    ["NaN-NaN", 416, "BLOB_UPLOAD_INVALID"],
    ["3-5,6-8", 416, "BLOB_UPLOAD_INVALID"],
    ["bytes 3-5/5/5", 416, "BLOB_UPLOAD_INVALID"],
    ["\u0663-\u0665", 416, "BLOB_UPLOAD_INVALID"],
  ])("%s, where three bytes go to 3-5", async (range, status, code) => {
    const upload = await begin();
    await patch(upload, "abc");
    // Headers are bytes: what is beyond them comes as UTF-8.
    const sent = Buffer.from(range).toString("latin1");
    for (const body of ["def", streamOf(["d", "ef"], async () => {})]) {
      expect(await codeOf(await patch(upload, body, sent))).toEqual([status, code]);
      expect(await rangeOf(upload)).toBe("0-2");
    }
    expect((await patch(upload, "def", "3-5")).status).toBe(202);
    expect((await put(upload, digestOf("abcdef"))).status).toBe(201);
    expect(await (await read(digestOf("abcdef"))).text()).toBe("abcdef");
  });

  test.each<[first: number, last: number, error: string]>([
    [-3, -1, "InvalidParameterException"],
    [3, 2 ** 53, "InvalidParameterException"],
    [3, 2 ** 53 - 1, "InvalidLayerPartException"],
    [2 ** 52, 2 ** 52 + 2, "InvalidLayerPartException"],
    [5, 3, "InvalidLayerPartException"],
    [3, 2, "InvalidLayerPartException"],
    [3.5, 5.5, "SerializationException"],
    [0, 2, "InvalidLayerPartException"],
    [4, 6, "InvalidLayerPartException"],
    [3, 6, "InvalidLayerPartException"],
  ])("a part from %d to %d by API, where three bytes go to 3-5", async (partFirstByte, partLastByte, error) => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const { uploadId } = await berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName: "app" }));
    const upload = { repositoryName: "app", uploadId };
    const part = (from: number, to: number, text: string) =>
      new UploadLayerPartCommand({ ...upload, partFirstByte: from, partLastByte: to, layerPartBlob: bytes(text) });
    await berth.ecr().send(part(0, 2, "abc"));
    expect(await toldByApi(berth.ecr().send(part(partFirstByte, partLastByte, "xyz")))).toBe(error);
    expect(await rangeOf(`/v2/app/blobs/uploads/${uploadId}`)).toBe("0-2");
    await berth.oci("DELETE", `/v2/app/blobs/uploads/${uploadId}`);
  });

  test("hold for the last chunk as for the others", async () => {
    const upload = await begin();
    await patch(upload, "abc");
    for (const range of ["0-2", "4-6", "99999999999997-99999999999999"]) {
      expect(await codeOf(await put(upload, digestOf("abcdef"), "def", range))).toEqual([416, "BLOB_UPLOAD_INVALID"]);
    }
    expect((await put(upload, digestOf("abcdef"), "def", "3-5")).status).toBe(201);
  });
});

describe("digests", () => {
  const content = "what is to be named";
  const sha256 = digestOf(content);
  const sha512 = digestOf(content, "sha512");
  const upper = (digest: string) => digest.replace(/:.*/, (hex) => hex.toUpperCase());

  /** Names that are nearly right. */
  const confused = [
    upper(sha256),
    upper(sha512),
    sha256.toUpperCase(),
    sha256.replace("sha256", "SHA256"),
    sha256.replace("sha256", "sha512"),
    sha512.replace("sha512", "sha256"),
    sha512.slice(0, 7).replace("512", "256") + sha512.slice(7, 71),
    `sha512:${sha256.slice(7)}${"0".repeat(64)}`,
    sha256.replace("sha256", "sha384"),
    sha256.replace("sha256", "sha256+b64u"),
    digestOf(content, "md5"),
    digestOf(content, "sha1"),
    sha256.slice(0, -1),
    `${sha256}0`,
    ` ${sha256}`,
    `${sha256}\n`,
    sha256.slice(7),
  ];

  test.each(confused)("%j publishes nothing over HTTP", async (digest) => {
    for (const query of ["", "?digest-algorithm=sha512"]) {
      const upload = await begin(query);
      await patch(upload, content);
      expect((await put(upload, digest)).status).toBe(400);
      expect((await put(upload, digest, "")).status).toBeOneOf([400, 404]);
    }
    const whole = await berth.oci("POST", `/v2/app/blobs/uploads/?digest=${encodeURIComponent(digest)}`, {
      body: content,
    });
    expect(whole.status).toBe(400);
    for (const named of [sha256, sha512]) expect((await read(named)).status).toBe(404);
  });

  test.each(confused)("%j publishes nothing by API", async (digest) => {
    const upload = await begin();
    await patch(upload, content);
    const complete = { repositoryName: "app", uploadId: upload.slice(-36), layerDigests: [digest] };
    const error = await toldByApi(berth.ecr().send(new CompleteLayerUploadCommand(complete)));
    expect(error).toBeOneOf(["InvalidLayerException", "InvalidParameterException"]);
    for (const named of [sha256, sha512]) expect((await read(named)).status).toBe(404);
  });

  test("an upload of one algorithm can be ended as the other, by whichever digest it has", async () => {
    for (const [query, digest] of [
      ["", digestOf("one", "sha512")],
      ["?digest-algorithm=sha512", digestOf("two")],
    ] as const) {
      const text = query === "" ? "one" : "two";
      const upload = await begin(query);
      await patch(upload, text);
      expect((await put(upload, digest)).status).toBe(201);
      expect(await (await read(digest)).text()).toBe(text);
      // The other digest of the same bytes is another name, which nobody gave.
      const otherName = digestOf(text, digest.startsWith("sha256") ? "sha512" : "sha256");
      expect((await read(otherName)).status).toBe(404);
    }
    const upload = await begin();
    await patch(upload, "three");
    const layerDigests = [digestOf("else"), digestOf("else", "sha512"), digestOf("three", "sha512")];
    const complete = { repositoryName: "app", uploadId: upload.slice(-36), layerDigests };
    expect((await berth.ecr().send(new CompleteLayerUploadCommand(complete))).layerDigest).toBe(
      digestOf("three", "sha512"),
    );
  });

  test("an upload whose digest was wrong is no more", async () => {
    const upload = await begin();
    await patch(upload, "content of it");
    expect(await codeOf(await put(upload, digestOf("else")))).toEqual([400, "DIGEST_INVALID"]);
    expect(await codeOf(await put(upload, digestOf("content of it")))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    expect(await codeOf(await patch(upload, "more"))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    expect((await read(digestOf("content of it"))).status).toBe(404);
  });

  test("of manifests are no different", async () => {
    await berth.pushBlob("app", "{}");
    const config = { mediaType: mediaTypes.config, digest: digestOf("{}"), size: 2 };
    const imageManifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [] });
    const right = digestOf(imageManifest);
    const headers = { "content-type": mediaTypes.manifest };
    for (const digest of [
      upper(right),
      right.replace("sha256", "sha512"),
      `sha512:${right.slice(7)}${"0".repeat(64)}`,
      digestOf(imageManifest, "sha512").replace("sha512", "sha256"),
      digestOf(imageManifest, "sha1"),
    ]) {
      const path = `/v2/app/manifests/${digest}`;
      expect(await codeOf(await berth.oci("PUT", path, { headers, body: imageManifest }))).toEqual([
        400,
        "DIGEST_INVALID",
      ]);
      const image = { repositoryName: "app", imageManifest, imageDigest: digest };
      expect(await toldByApi(berth.ecr().send(new PutImageCommand(image)))).toBe("ImageDigestDoesNotMatchException");
    }
    expect((await berth.oci("GET", `/v2/app/manifests/${right}`)).status).toBe(404);
  });
});

describe("an upload", () => {
  test("belongs to its repository and to who began it", async () => {
    const rights = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];
    const thief: Person = await berth.crowd.user("000000000000" as never, "thief", allow(rights));
    const upload = await begin();
    await patch(upload, "mine");
    const elsewhere = upload.replace("/app/", "/other/");
    const attempts: [string, string][] = [
      ["GET", ""],
      ["HEAD", ""],
      ["PATCH", ""],
      ["PUT", `?digest=${digestOf("mine")}`],
      ["PUT", `?digest=${digestOf("mine and more")}`],
      ["DELETE", ""],
    ];
    for (const [method, query] of attempts) {
      const body = method === "PATCH" || query.includes(digestOf("mine and more")) ? " and more" : undefined;
      expect((await berth.oci(method, elsewhere + query, { body })).status).toBe(404);
      expect((await berth.ociAs(thief, method, upload + query, { body })).status).toBe(404);
    }
    const uploadId = upload.slice(-36);
    const complete = { uploadId, layerDigests: [digestOf("mine")] };
    for (const [client, repositoryName] of [
      [berth.ecr(), "other"],
      [berth.ecrAs(thief), "app"],
    ] as const) {
      const layerPartBlob = new Uint8Array(3);
      const part = { repositoryName, uploadId, partFirstByte: 4, partLastByte: 6, layerPartBlob };
      expect(await toldByApi(client.send(new UploadLayerPartCommand(part)))).toBe("UploadNotFoundException");
      expect(await toldByApi(client.send(new CompleteLayerUploadCommand({ ...complete, repositoryName })))).toBe(
        "UploadNotFoundException",
      );
    }
    expect((await read(digestOf("mine"), "other")).status).toBe(404);
    expect(await rangeOf(upload)).toBe("0-3");
    expect((await put(upload, digestOf("mine"))).status).toBe(201);
    // Nor is it there once it has ended.
    for (const [method, query] of attempts) expect((await berth.oci(method, upload + query)).status).toBe(404);
  });

  test("ends once, however many end it at once", async () => {
    for (const bytes of [undefined, "all of it"]) {
      const upload = await begin();
      if (bytes === undefined) await patch(upload, "all of it");
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          put(upload, digestOf(at % 2 === 0 ? "all of it" : "something else"), bytes),
        ),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(1);
      expect(statuses.every((status) => [201, 400, 404].includes(status))).toBe(true);
      expect((await read(digestOf("something else"))).status).toBe(404);
      if (statuses.includes(201)) expect(await (await read(digestOf("all of it"))).text()).toBe("all of it");
      expect((await berth.oci("GET", upload)).status).toBe(404);
    }
  });

  test("takes each byte from one writer, however many write at once", async () => {
    const upload = await begin();
    const letters = [..."abcdefgh"];
    const answers = await Promise.all(
      letters.map((letter) => {
        const pieces = Array.from({ length: 4 }, () => letter.repeat(1000));
        return patch(
          upload,
          streamOf(pieces, () => Bun.sleep(1)),
          "0-3999",
        );
      }),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    const winner = letters[answers.findIndex(({ status }) => status === 202)] ?? "";
    const content = winner.repeat(4000);
    expect((await put(upload, digestOf(content))).status).toBe(201);
    expect(await (await read(digestOf(content))).text()).toBe(content);
  });
});

describe("a writer that hangs", () => {
  let before: string[];
  beforeEach(() => {
    before = staged();
  });
  afterEach(() => {
    expect(staged()).toEqual(before);
  });

  test("spoils nothing of what is published meanwhile", async () => {
    const upload = await begin();
    await patch(upload, "first ");
    const hung = hanging("SECOND", " THIRD");
    const lost = patch(upload, hung.body);
    await hung.sent;
    claimsRunOut();
    expect((await put(upload, digestOf("first second"), "second")).status).toBe(201);
    hung.goOn();
    expect((await lost).status).toBe(404);
    expect(await (await read(digestOf("first second"))).text()).toBe("first second");
  });

  test("takes nothing away from who comes after it, even from the third", async () => {
    const upload = await begin();
    await patch(upload, "first ");
    const [one, two, three] = [hanging("ONE"), hanging("TWO"), hanging("THREE")];
    const lost: Promise<Response>[] = [];
    for (const { body, sent } of [one, two, three]) {
      lost.push(patch(upload, body));
      await sent;
      claimsRunOut();
    }
    // The first two come back, too late, while the third is thought to be writing.
    for (const [at, { goOn }] of [one, two].entries()) {
      goOn();
      expect((await lost[at])?.status).toBe(409);
    }
    expect((await patch(upload, "second", "6-11")).status).toBe(202);
    three.goOn();
    expect((await lost[2])?.status).toBe(409);
    expect((await put(upload, digestOf("first second"))).status).toBe(201);
    expect(await (await read(digestOf("first second"))).text()).toBe("first second");
  });

  test("and sends nothing takes no bytes away from the next one", async () => {
    const { blobs } = berth.stores;
    const { abort } = blobs;
    const upload = await begin();
    // The next writer comes while the file of the one that sent nothing is removed.
    let next: Promise<Response> | undefined;
    Object.assign(blobs, {
      async abort(...staging: Parameters<typeof abort>) {
        next ??= patch(upload, "what is sent");
        await Bun.sleep(60);
        await abort(...staging);
      },
    });
    const gone = patch(
      upload,
      streamOf([], async () => {}, new Error("the connection broke")),
    );
    expect((await gone).status).toBe(400);
    expect((await next)?.status).toBe(202);
    Object.assign(blobs, { abort });
    expect((await put(upload, digestOf("what is sent"))).status).toBe(201);
    expect(await (await read(digestOf("what is sent"))).text()).toBe("what is sent");
  });
});
