import { expect, test } from "bun:test";
import type { AccountId, KeyId, Region } from "../names.ts";
import { openText, parseCiphertext, sealText } from "./ciphertext.ts";
import { isWithinGrant, meets } from "./grant-policies.ts";

const header = {
  registry: { account: "000000000012" as AccountId, region: "ap-southeast-2" as Region },
  keyId: "01234567-89ab-4def-8123-456789abcdef" as KeyId,
  version: 7,
};
const material = new Uint8Array(32).fill(1);
const plaintext = new TextEncoder().encode("a secret");
const none: ReadonlyMap<string, string> = new Map();

test("a ciphertext says whose it is", () => {
  expect(parseCiphertext(sealText(header, material, plaintext, none))).toEqual(header);
  for (const bytes of [new Uint8Array(), new Uint8Array([1]), new Uint8Array(200), new Uint8Array(200).fill(1)]) {
    expect(parseCiphertext(bytes)).toBeUndefined();
    expect(openText(bytes, material, none)).toBeUndefined();
  }
});

test("what is for one use is nothing for the other", () => {
  const [kms, own] = (["kms", "own"] as const).map((use) => sealText(header, material, plaintext, none, use));
  expect([parseCiphertext(kms as Uint8Array, "own"), parseCiphertext(own as Uint8Array, "kms")]).toEqual([
    undefined,
    undefined,
  ]);
  expect(parseCiphertext(own as Uint8Array, "own")).toEqual(header);
  const relabelled = Uint8Array.from(own as Uint8Array);
  relabelled[0] = 1;
  expect(parseCiphertext(relabelled, "kms")).toEqual(header);
  expect(openText(relabelled, material, none)).toBeUndefined();
});

test("no two are alike, and each opens with its material", () => {
  const [one, other] = [1, 2].map(() => sealText(header, material, plaintext, none));
  expect(one).not.toEqual(other as Uint8Array);
  expect(openText(one as Uint8Array, material, none)).toEqual(Buffer.from(plaintext));
  expect(openText(one as Uint8Array, new Uint8Array(32).fill(2), none)).toBeUndefined();
});

test("the order of a context does not matter; where its names end does", () => {
  const context = (...pairs: [string, string][]) => new Map(pairs);
  const sealed = sealText(header, material, plaintext, context(["a", "1"], ["b", "2"]));
  expect(openText(sealed, material, context(["b", "2"], ["a", "1"]))).toBeDefined();
  for (const other of [context(["a", "1"]), context(["a1", ""], ["b", "2"]), context(["a", "1b2"]), none]) {
    expect(openText(sealed, material, other)).toBeUndefined();
  }
});

test("not a byte can be changed, and none left out", () => {
  const sealed = sealText(header, material, plaintext, none);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Uint8Array.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    expect(openText(changed, material, none)).toBeUndefined();
    expect(openText(sealed.subarray(0, at), material, none)).toBeUndefined();
  }
});

test("constraints of grants", () => {
  const context = new Map([["a", "1"]]);
  const subset = { kind: "subset", context } as const;
  const equals = { kind: "equals", context } as const;
  const more = new Map([...context, ["b", "2"]]);
  expect([meets(context, subset), meets(more, subset), meets(none, subset)]).toEqual([true, true, false]);
  expect([meets(context, equals), meets(more, equals), meets(none, equals)]).toEqual([true, false, false]);
  const grant = (operations: readonly ("Encrypt" | "Decrypt")[], constraint?: typeof subset | typeof equals) => ({
    operations,
    constraint,
  });
  const wider = [
    [grant(["Decrypt"]), grant(["Encrypt"])],
    [grant(["Encrypt"]), grant(["Encrypt"], subset)],
    [grant(["Encrypt"], subset), grant(["Encrypt"], equals)],
  ] as const;
  for (const [child, parent] of wider) expect(isWithinGrant(child, parent)).toBe(false);
  expect(isWithinGrant(grant(["Encrypt"], equals), grant(["Encrypt", "Decrypt"], subset))).toBe(true);
});
