import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { BlobId, Generation } from "../../domain/registry/ports.ts";
import { digestFor, sample } from "./contract.ts";
import {
  checkHeader,
  checkKeys,
  chunkBytes,
  contentBytesOf,
  endHeader,
  fileBytesOf,
  type Header,
  newHeader,
  openChunk,
  parseHeader,
  positionOf,
  sealChunk,
  sealedBytesOf,
} from "./sealed-format.ts";

const keysOf = (layers: number) => Array.from({ length: layers }, () => randomBytes(32));
const id: BlobId = {
  digest: digestFor(sample(10)),
  generation: "00000000-0000-7000-8000-000000000000.sealed" as Generation,
};

describe("sizes", () => {
  test("the size of a file says how much content it has", () => {
    for (const chunks of [0, 1, 2, 3, 1_000, 208_000]) {
      for (const extra of [0, 1, 2, 55, 56, 57, chunkBytes - 57, chunkBytes - 56, chunkBytes - 1]) {
        const contentBytes = chunks * chunkBytes + extra;
        expect(contentBytesOf(fileBytesOf(contentBytes))).toBe(contentBytes);
      }
    }
  });

  test("a chunk lies where the ones before it end", () => {
    for (const chunk of [0, 1, 2, 77]) expect(fileBytesOf(chunk * chunkBytes)).toBe(positionOf(chunk));
  });

  test.each([0, 1, 511, 512, 513, 568])("a file of %i bytes has no content, or less than none could have", (bytes) => {
    expect(contentBytesOf(bytes)).toBe(0);
  });
});

describe.each([1, 2])("a chunk under %i layers", (layers) => {
  const keys = keysOf(layers);
  const content = sample(1_000);
  const sealed = (chunk = 5, bytes: Uint8Array = content) => {
    const target = Buffer.alloc(sealedBytesOf(bytes.length) + 20);
    expect(sealChunk(keys, chunk, bytes, target, 10)).toBe(target.length - 10);
    return target.subarray(10, -10);
  };

  test("is opened as what it was sealed as", () => {
    for (const bytes of [content, sample(1), sample(chunkBytes)]) {
      expect(openChunk(keys, 5, sealed(5, bytes))).toEqual(bytes);
    }
  });

  test("is not opened in another place, or with other keys", () => {
    expect(openChunk(keys, 6, sealed())).toBeUndefined();
    expect(openChunk(keysOf(layers), 5, sealed())).toBeUndefined();
    expect(openChunk([...keys].reverse(), 5, sealed())?.length).toBe(layers === 1 ? 1_000 : undefined);
    expect(openChunk(keys.slice(1), 5, sealed())).toBeUndefined();
    expect(openChunk([...keys, ...keysOf(1)].slice(0, 2), 5, sealed())?.length).toBe(layers === 2 ? 1_000 : undefined);
  });

  test("is not opened with any bit of it changed, or a byte more or less", () => {
    const small = sealed(5, sample(20));
    for (let bit = 0; bit < small.length * 8; bit++) {
      const changed = Buffer.from(small);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(openChunk(keys, 5, changed)).toBeUndefined();
    }
    for (const length of [0, 1, 28, 55, 56, 75]) expect(openChunk(keys, 5, small.subarray(0, length))).toBeUndefined();
    expect(openChunk(keys, 5, Buffer.concat([small, Buffer.alloc(1)]))).toBeUndefined();
  });

  test("never has a nonce or a ciphertext that there was before", () => {
    const seen = new Set<string>();
    for (let round = 0; round < 500; round++) {
      const bytes = sealed();
      for (let layer = 0; layer < layers; layer++) seen.add(bytes.toString("hex", layer * 28, layer * 28 + 12));
      seen.add(bytes.toString("hex", 56));
    }
    expect(seen.size).toBe(500 * (layers + 1));
  });
});

describe.each([1, 2])("a header under %i layers", (layers) => {
  const keys = keysOf(layers);
  const wrapped = sample(300);
  function ended(contentBytes = 12_345): Header {
    const header = newHeader({ keys, wrapped });
    endHeader(header, keys, contentBytes, id);
    return header;
  }

  test("says what it was made of", () => {
    const header = parseHeader(ended().bytes);
    expect(header?.layers).toBe(layers);
    expect(header && wrapped.equals(header.wrapped)).toBe(true);
    expect(header && checkHeader(header, keys, id)).toBe(12_345);
    expect(checkHeader(ended(52_000 * 1024 * 1024), keys, id)).toBe(52_000 * 1024 * 1024);
  });

  test("is of one copy of one content", () => {
    const generation = "00000000-0000-7000-8000-000000000001.sealed" as Generation;
    expect(() => checkHeader(ended(), keys, { ...id, generation })).toThrow("not what was stored");
    expect(() => checkHeader(ended(), keys, { ...id, digest: digestFor(sample(1)) })).toThrow("not what was stored");
    expect(() => checkHeader(ended(), keysOf(layers), id)).toThrow("not what was stored");
  });

  test("of an upload that was not committed is of none", () => {
    expect(() => checkHeader(newHeader({ keys, wrapped }), keys, id)).toThrow("not what was stored");
  });

  test("is not believed with any bit of it changed", () => {
    const { bytes } = ended();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const header = parseHeader(changed);
      if (header) expect(() => checkHeader(header, keys, id)).toThrow("not what was stored");
    }
  });

  test("is for as many keys as it has layers, of the right size", () => {
    const header = ended();
    expect(() => checkKeys(header, keysOf(3 - layers), id)).toThrow("not what was stored");
    expect(() => checkKeys(header, [], id)).toThrow("not what was stored");
    const short = Array.from({ length: layers }, () => randomBytes(16));
    expect(() => checkKeys(header, short, id)).toThrow("not what was stored");
    checkKeys(header, keys, id);
  });
});

test("what cannot be a blob's key is refused", () => {
  const wrapped = sample(10);
  for (const key of [
    { keys: [], wrapped },
    { keys: keysOf(3), wrapped },
    { keys: [randomBytes(16)], wrapped },
    { keys: keysOf(1), wrapped: sample(385) },
  ]) {
    expect(() => newHeader(key)).toThrow(RangeError);
  }
  newHeader({ keys: keysOf(2), wrapped: sample(384) });
});

test.each([
  ["too short", Buffer.alloc(511)],
  ["of zeros", Buffer.alloc(512)],
  ["of text", Buffer.alloc(512, "hello")],
])("what is %s is no header", (_, bytes) => {
  expect(parseHeader(bytes)).toBeUndefined();
});

// Files that lie on disks have to stay readable, so these bytes never change.
test.each([
  [
    1,
    "42455254485342010004000001000007",
    "5f465ae52fc5ef6d0bba14f7fbfac31282a69cd9563e140b7fc4fc81",
    "5637eb03e6fd41b2ea012281a1ef71c549ea952f64f445f196e67d43",
    "ed8a0bb1b4",
  ],
  [
    2,
    "42455254485342010004000002000007",
    "8fcce57bad2de7d8695d1c4c2999609e1661a21e8d0a3dbc0a9bf6fba87cbcdfd747053f3d5d42ed6cd7d9dc41d403d22031a6d550b96ab9",
    "8a0376a7a4d247fc4dafa8ca1c26d6254e986ed942563e4ff25ad48775754dd8cbff7e1081bf0fb245b2fb146cfaea28ff5c24fab5dad4e7",
    "b9cad85a88",
  ],
])(
  "what was sealed in %i layers by the first version is opened",
  (layers, start, headerSeal, chunkSeal, ciphertext) => {
    const keys = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].slice(0, layers);
    const file = Buffer.alloc(fileBytesOf(5));
    file.write(start, 0, "hex");
    file.write("wrapped", 16);
    file[407] = 5;
    file.write(headerSeal, 408, "hex");
    file.write(chunkSeal, 512, "hex");
    file.write(ciphertext, 568, "hex");
    const digest = digestFor(Buffer.from("hello"));
    const header = parseHeader(file.subarray(0, 512));
    expect(header && Buffer.from(header.wrapped).toString()).toBe("wrapped");
    expect(header && checkHeader(header, keys, { ...id, digest })).toBe(5);
    expect(Buffer.from(openChunk(keys, 0, file.subarray(512)) ?? []).toString()).toBe("hello");
  },
);
