import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  formatCredentials,
  generateRootKey,
  openRootKey,
  openSealingKey,
  parseCredentials,
  readRootKey,
} from "./keys.ts";

const root = mkdtempSync(join(tmpdir(), "berth-keys-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
function folder(): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  return path;
}
const modeOf = (file: string) => statSync(file).mode & 0o777;

test("a root key pair looks like one of AWS's", () => {
  const { accessKeyId, secretAccessKey } = generateRootKey();
  expect(accessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/);
  expect(secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/);
  expect(generateRootKey().accessKeyId).not.toBe(accessKeyId);
});

test("the root key pair is made once, for its owner only, and nothing else is left in the folder", async () => {
  const path = folder();
  const file = join(path, "credentials");
  expect(await readRootKey(file)).toBeUndefined();
  const { made, ...pair } = await openRootKey(file);
  expect(made).toBe(true);
  expect(modeOf(file)).toBe(0o600);
  expect(readFileSync(file, "utf8")).toBe(formatCredentials(pair));
  expect(await openRootKey(file)).toEqual({ ...pair, made: false });
  expect(readdirSync(path)).toEqual(["credentials"]);
});

test("openers that start together get the same pair, and one of them made it", async () => {
  const file = join(folder(), "credentials");
  const all = await Promise.all(Array.from({ length: 20 }, () => openRootKey(file)));
  expect(new Set(all.map(({ secretAccessKey }) => secretAccessKey)).size).toBe(1);
  expect(all.filter(({ made }) => made).length).toBe(1);
});

test.each([
  ["[default]\naws_access_key_id = A\naws_secret_access_key = s", { accessKeyId: "A", secretAccessKey: "s" }],
  [
    "# mine\r\n[ default ]\r\nAWS_ACCESS_KEY_ID=A\r\naws_secret_access_key=a=b/+ \r\n",
    { accessKeyId: "A", secretAccessKey: "a=b/+" },
  ],
  [
    "[other]\naws_access_key_id = O\naws_secret_access_key = o\n[default]\naws_access_key_id = A\naws_secret_access_key = s\n",
    { accessKeyId: "A", secretAccessKey: "s" },
  ],
  ["[other]\naws_access_key_id = O\naws_secret_access_key = o\n", undefined],
  ["[default]\naws_access_key_id = A\n", undefined],
  ["[default]\naws_access_key_id = A\naws_secret_access_key =\n", undefined],
  ["", undefined],
])("credentials file %j", (content, pair) => {
  expect(parseCredentials(content)).toEqual(pair as typeof pair & undefined);
});

test("a credentials file without a pair is refused, not replaced", async () => {
  const file = join(folder(), "credentials");
  writeFileSync(file, "[default]\n");
  await expect(openRootKey(file)).rejects.toThrow("has no aws_access_key_id and aws_secret_access_key under [default]");
});

test("the sealing key is made once, 32 bytes for its owner only", async () => {
  const path = folder();
  const file = join(path, "keys", "sealing.key");
  const all = await Promise.all(Array.from({ length: 20 }, () => openSealingKey(file)));
  expect(new Set(all.map((key) => Buffer.from(key).toString("hex"))).size).toBe(1);
  expect(all[0]?.length).toBe(32);
  expect(modeOf(file)).toBe(0o600);
  expect(modeOf(join(path, "keys"))).toBe(0o700);
  expect(readdirSync(join(path, "keys"))).toEqual(["sealing.key"]);
});

test("a sealing key that others can read is refused", async () => {
  const file = join(folder(), "sealing.key");
  await openSealingKey(file);
  chmodSync(file, 0o640);
  await expect(openSealingKey(file)).rejects.toThrow(
    `${file} can be read or written by others. If nobody has, run: chmod 600 ${file}`,
  );
});

test("a sealing key of another length is refused", async () => {
  const file = join(folder(), "sealing.key");
  writeFileSync(file, "short", { mode: 0o600 });
  await expect(openSealingKey(file)).rejects.toThrow("must have 32 bytes and has 5");
});
