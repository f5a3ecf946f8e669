import { describe, expect, test } from "bun:test";
import { Refusal } from "../errors.ts";
import { manifestDigest, maxManifestBytes, mediaTypes, parseManifest } from "./manifests.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const descriptor = (letter: string, size = 10, mediaType = "application/vnd.oci.image.layer.v1.tar+gzip") => ({
  mediaType,
  digest: digest(letter),
  size,
});
const config = descriptor("c", 5, "application/vnd.oci.image.config.v1+json");
const image = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config,
  layers: [descriptor("a"), descriptor("b")],
};
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [descriptor("d", 7, mediaTypes.ociManifest)],
};
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

describe("what is read from a manifest", () => {
  test("an image", () => {
    const manifest = parseManifest(bytes(image), mediaTypes.ociManifest);
    expect(manifest).toMatchObject({
      kind: "image",
      mediaType: mediaTypes.ociManifest,
      contentBytes: 25,
      children: [],
    });
    expect(manifest.artifactType).toBe(config.mediaType);
    expect(manifest.layers.map((layer) => layer.digest as string)).toEqual([digest("c"), digest("a"), digest("b")]);
  });

  test("an index, each child once", () => {
    const child = descriptor("d", 7, mediaTypes.ociManifest);
    const manifest = parseManifest(bytes({ ...index, manifests: [child, child] }));
    expect([...manifest.children] as string[]).toEqual([digest("d")]);
    expect(manifest.layers).toEqual([]);
  });

  test("an artifact with subject and annotations", () => {
    const artifact = { ...image, artifactType: "a/b", subject: descriptor("e"), annotations: { k: "v" } };
    expect(parseManifest(bytes(artifact))).toMatchObject({
      artifactType: "a/b",
      subject: digest("e"),
      annotations: { k: "v" },
    });
  });

  test("the declared type counts where the document has none", () => {
    const { mediaType: _, ...bare } = image;
    expect(parseManifest(bytes(bare), `${mediaTypes.ociManifest}; charset=utf-8`).mediaType).toBe(
      mediaTypes.ociManifest,
    );
  });

  test("foreign layers need not be here", () => {
    const foreign = descriptor("f", 10, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    const manifest = parseManifest(bytes({ ...image, layers: [foreign] }));
    expect(manifest.layers.map((layer) => [layer.digest as string, layer.isForeign])).toEqual([
      [digest("c"), false],
      [digest("f"), true],
    ]);
    expect(manifest.contentBytes).toBe(15);
  });

  test("a layer that is foreign in one place and not in another must be here", () => {
    const foreign = descriptor("a", 10, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    const manifest = parseManifest(bytes({ ...image, layers: [foreign, descriptor("a")] }));
    expect(manifest.layers.map(({ isForeign }) => isForeign)).toEqual([false, false]);
  });

  test("says where content is said to be elsewhere, in any descriptor", () => {
    const away = { ...descriptor("f"), urls: ["https://elsewhere.test/f"] };
    const elsewhere = (value: unknown) => parseManifest(bytes(value)).elsewhere;
    expect(elsewhere({ ...image, layers: [descriptor("a"), away] })).toBe("layers[1]");
    expect(elsewhere({ ...image, config: away })).toBe("config");
    expect(elsewhere({ ...image, subject: away })).toBe("subject");
    expect(elsewhere({ ...index, manifests: [away] })).toBe("manifests[0]");
    for (const urls of [[], null]) expect(elsewhere({ ...image, config: { ...away, urls } })).toBeUndefined();
  });

  test("content that is brought along is that of its digest", () => {
    const data = Buffer.from("{}").toString("base64");
    const own = { ...config, digest: manifestDigest(bytes("{}"), "sha512"), size: 2, data };
    expect(parseManifest(bytes({ ...image, config: own })).contentBytes).toBe(22);
  });

  test("null stands for an empty list or a missing member, as writers in Go have it", () => {
    expect(parseManifest(bytes({ ...image, layers: null, annotations: null, subject: null })).layers).toHaveLength(1);
    expect(parseManifest(bytes({ ...index, manifests: null })).children).toEqual([]);
  });

  test("digests by both algorithms", () => {
    expect(manifestDigest(bytes("")) as string).toBe(
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(manifestDigest(bytes(""), "sha512")).toStartWith("sha512:cf83e1357eefb8bd");
  });
});

describe("what is refused", () => {
  const said = (value: unknown, declared?: string) => {
    try {
      parseManifest(bytes(value), declared);
    } catch (error) {
      if (error instanceof Refusal) return `${error.code}: ${error.message}`;
      throw error;
    }
    return "taken";
  };
  const schema1 = "Docker image manifest schema 1 is not supported; push the image with schema 2 or as an OCI image";
  test.each([
    ["not JSON", "{", undefined, "not valid JSON"],
    ["a list", "[]", undefined, "not a JSON object"],
    [
      "a duplicate key",
      '{"schemaVersion":2,"schemaVersion":2}',
      undefined,
      "the key 'schemaVersion' appears twice in an object",
    ],
    ["deep nesting", `{"a":${"[".repeat(70)}${"]".repeat(70)}}`, undefined, "nested deeper than 64 levels"],
    ["another schema version", { ...image, schemaVersion: 3 }, undefined, "schemaVersion must be 2"],
    ["no schema version", { ...image, schemaVersion: undefined }, undefined, "schemaVersion must be 2"],
    [
      "a type that differs",
      image,
      mediaTypes.ociIndex,
      `its mediaType is '${mediaTypes.ociManifest}', but it was sent as '${mediaTypes.ociIndex}'`,
    ],
    ["an unknown type", { ...image, mediaType: "text/plain" }, undefined, "media type 'text/plain' is not supported"],
    [
      "an image with children",
      { ...image, manifests: [] },
      undefined,
      `a manifest of type ${mediaTypes.ociManifest} has no 'manifests'`,
    ],
    [
      "an index with layers",
      { ...index, layers: [] },
      undefined,
      `a manifest of type ${mediaTypes.ociIndex} has no 'layers' or 'config'`,
    ],
    [
      "an index with a config",
      { ...index, config },
      undefined,
      `a manifest of type ${mediaTypes.ociIndex} has no 'layers' or 'config'`,
    ],
    ["no config", { ...image, config: undefined }, undefined, "'config' must be a descriptor"],
    ["layers that are no list", { ...image, layers: {} }, undefined, "'layers' must be a list"],
    ["a child that is no descriptor", { ...index, manifests: ["x"] }, undefined, "'manifests[0]' must be a descriptor"],
    [
      "a bad digest",
      { ...image, layers: [{ ...descriptor("a"), digest: "sha256:x" }] },
      undefined,
      "'layers[0].digest' must be a sha256 or sha512 digest",
    ],
    [
      "a digest as path",
      { ...image, layers: [{ ...descriptor("a"), digest: "../../x" }] },
      undefined,
      "'layers[0].digest' must be a sha256 or sha512 digest",
    ],
    [
      "a negative size",
      { ...image, layers: [{ ...descriptor("a"), size: -1 }] },
      undefined,
      "'layers[0].size' must be a number of bytes",
    ],
    [
      "a fractional size",
      { ...image, config: { ...config, size: 1.5 } },
      undefined,
      "'config.size' must be a number of bytes",
    ],
    [
      "a huge size",
      { ...image, config: { ...config, size: 2 ** 60 } },
      undefined,
      "'config.size' must be a number of bytes",
    ],
    [
      "no media type in a layer",
      { ...image, layers: [{ ...descriptor("a"), mediaType: "" }] },
      undefined,
      "'layers[0].mediaType' must be a media type",
    ],
    [
      "a media type that no header can have",
      { ...image, layers: [{ ...descriptor("a"), mediaType: "a\nb" }] },
      undefined,
      "'layers[0].mediaType' must be a media type",
    ],
    [
      "a key that Go readers take for another",
      { ...image, Layers: [] },
      undefined,
      "the key 'Layers' must be written 'layers'",
    ],
    [
      "such a key in a descriptor",
      { ...image, config: { ...config, Digest: digest("f") } },
      undefined,
      "the key 'Digest' must be written 'digest'",
    ],
    ["such a key with a long s", { ...image, layerſ: [] }, undefined, "the key 'layerſ' must be written 'layers'"],
    [
      "urls that only some readers find",
      { ...image, layers: [{ ...descriptor("a"), URLs: ["https://elsewhere.test"] }] },
      undefined,
      "the key 'URLs' must be written 'urls'",
    ],
    [
      "urls that are no list",
      { ...image, layers: [{ ...descriptor("a"), urls: "https://elsewhere.test" }] },
      undefined,
      "'layers[0].urls' must be a list of strings",
    ],
    [
      "data of other content",
      { ...image, config: { ...config, digest: manifestDigest(bytes("{}")), size: 2, data: "W10=" } },
      undefined,
      "'config.data' does not have the digest and size of its descriptor",
    ],
    [
      "data that is not base64",
      { ...image, config: { ...config, data: "e30" } },
      undefined,
      "'config.data' must be base64",
    ],
    ["a bad subject", { ...image, subject: { digest: 1 } }, undefined, "'subject.mediaType' must be a media type"],
    ["annotations that are no map", { ...image, annotations: [] }, undefined, "'annotations' must be an object"],
    [
      "an annotation that is no text",
      { ...image, annotations: { a: 1 } },
      undefined,
      "annotation 'a' must be a string",
    ],
    ["an artifact type that is no text", { ...image, artifactType: 1 }, undefined, "'artifactType' must be a string"],
  ])("%s", (_, value, declared, reason) => {
    expect(said(value, declared)).toBe(`ManifestInvalid: The image manifest is invalid: ${reason}`);
  });

  test("no type anywhere", () => {
    expect(said({ ...image, mediaType: undefined })).toBe(
      "ManifestInvalid: image manifest mediatype not provided in manifest or parameter",
    );
  });

  test("schema 1, however it is declared", () => {
    expect(said({ schemaVersion: 1 })).toBe(`ManifestInvalid: ${schema1}`);
    expect(said(image, "application/vnd.docker.distribution.manifest.v1+prettyjws")).toBe(
      `ManifestInvalid: ${schema1}`,
    );
  });

  test("bytes that are not UTF-8", () => {
    expect(() => parseManifest(new Uint8Array([0x7b, 0xff, 0x7d]))).toThrow("not UTF-8");
  });

  test("a document over 4 MiB", () => {
    expect(() => parseManifest(new Uint8Array(maxManifestBytes + 1))).toThrow("larger than the limit of 4194304 bytes");
  });
});
