import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KmsService, startKms } from "../../test/support/kms-service.ts";
import { startTransit, type TransitService } from "../../test/support/transit-service.ts";
import { makeAuthority, makeServerPair } from "../cli/certificates.ts";
import { KeeperFailed, kindOf, proveKeeper } from "../domain/keys/keepers.ts";
import type { KeyWrapper } from "../domain/keys/ports.ts";
import type { Arn } from "../domain/names.ts";
import { createAwsKms } from "./aws-kms.ts";
import { createVaultTransit } from "./vault-transit.ts";

/** AWS KMS and Vault as keepers of the master key, over small services that speak their protocols. */

const material = new Uint8Array(32).map((_, index) => index);
const name = "arn:aws:kms:us-east-1:000000000000:key/a" as Arn;
const other = "arn:aws:kms:us-east-1:000000000000:key/b" as Arn;
/** Failures are quick, but for those that are about time. */
const limits = { pauseMs: 5, sparedMs: 0, timeoutMs: 400 };
const credentials = { accessKeyId: "AKIDOFTEST", secretAccessKey: "secret-of-test" };
const token = "token-of-test";

let now: Date;
const clock = () => now;
const pass = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};
let folder: string;
let kms: KmsService;
let vault: TransitService;
let key: string;

beforeEach(() => {
  now = new Date("2026-10-04T10:15:00Z");
  folder = mkdtempSync(join(tmpdir(), "berth-keepers-"));
  kms = startKms({ clock });
  key = kms.newKey();
  vault = startTransit();
});
afterEach(async () => {
  await Promise.all([kms.stop(), vault.stop()]);
  rmSync(folder, { recursive: true });
});

const aws = (parts: Partial<Parameters<typeof createAwsKms>[0]> = {}) =>
  createAwsKms({ keys: [key], endpoint: kms.url, stsEndpoint: kms.url, credentials, limits, clock, ...parts });
const transit = (parts: Partial<Parameters<typeof createVaultTransit>[0]> = {}) =>
  createVaultTransit({ keys: ["transit/berth"], url: vault.url, token: { given: token }, limits, clock, ...parts });

/** What went wrong, as an operator reads it. */
async function failure(work: Promise<unknown>): Promise<{ message: string; isPassing: boolean }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KeeperFailed) return { message: error.message, isPassing: error.isPassing };
    throw error;
  }
  throw new Error("it did not fail");
}

async function certificates(): Promise<{ authority: string; cert: string; key: string }> {
  const validity = { from: new Date(), days: 1 };
  const authority = await makeAuthority("Authority of a test", validity);
  const server = await makeServerPair(authority, ["localhost"], validity);
  return { authority: authority.certificate, cert: server.certificate, key: server.key };
}

const keepers: [string, () => KeyWrapper, () => KmsService | TransitService][] = [
  ["aws", () => aws(), () => kms],
  ["vault", () => transit(), () => vault],
];

describe.each(keepers)("%s", (kind, open, service) => {
  test("opens what it wraps, under its name only", async () => {
    const keeper = open();
    await proveKeeper(keeper);
    const wrapped = await keeper.wrap(material, name, 7);
    expect(kindOf(wrapped)).toBe(kind as "aws");
    expect(Buffer.from(wrapped).includes(material)).toBe(false);
    expect(new Uint8Array(await open().unwrap(wrapped, name, 7))).toEqual(material);
    expect(await keeper.isCurrent(wrapped)).toBe(true);
    expect((await failure(keeper.unwrap(wrapped, other, 7))).isPassing).toBe(false);
    expect((await failure(keeper.unwrap(wrapped, name, 8))).isPassing).toBe(false);
  });

  test("a wrapped text that was changed in any byte, or cut off, does not open", async () => {
    const keeper = open();
    const wrapped = await keeper.wrap(material, name, 1);
    // Behind the header: what that says is another key's name.
    for (let at = 3; at < wrapped.length; at += 5) {
      const changed = Buffer.from(wrapped);
      changed[at] = (changed[at] ?? 0) ^ 1;
      // The mark is for us alone, and an ARN that is not ours leads to the key that is.
      const opened = await keeper.unwrap(changed, name, 1).catch((error: unknown) => error);
      if (!(opened instanceof KeeperFailed)) expect(new Uint8Array(opened as Uint8Array)).toEqual(material);
    }
    for (const length of [0, 1, 3, 20, wrapped.length - 1]) {
      expect((await failure(keeper.unwrap(wrapped.subarray(0, length), name, 1))).isPassing).toBe(false);
    }
  });

  test("is asked again after 5xx and 429, and no more often than four times", async () => {
    const keeper = open();
    const { lies } = service();
    lies.push(() => new Response("starting", { status: 503 }));
    lies.push(() => Response.json({ errors: ["slow down"], __type: "x" }, { status: 429 }));
    lies.push(() => Response.json({ errors: [], message: "broken" }, { status: 500 }));
    expect((await keeper.wrap(material, name, 1)).length).toBeGreaterThan(32);
    expect(lies).toEqual([]);
    for (let count = 0; count < 5; count++) lies.push(() => Response.json({ errors: ["sealed"] }, { status: 503 }));
    expect((await failure(keeper.wrap(material, name, 1))).isPassing).toBe(true);
    expect(lies.length).toBe(1);
  });

  test("is not asked again when it refuses", async () => {
    const keeper = open();
    const { lies } = service();
    const refusal = { errors: ["no"], __type: "AccessDeniedException", message: "no" };
    for (const status of [400, 403, 404]) {
      lies.push(() => Response.json(refusal, { status }));
      const { message, isPassing } = await failure(keeper.wrap(material, name, 1));
      expect(message).toMatch(
        /^(AWS KMS|Vault) at http:\S+ refused (E|e)ncrypt with \S+: (AccessDeniedException: )?no /,
      );
      expect([isPassing, lies.length]).toEqual([false, 0]);
    }
  });

  test("that is too slow is given up, and others do not wait for it meanwhile", async () => {
    const { lies, url } = service();
    const slow = limits.timeoutMs * 5;
    for (let count = 0; count < 2; count++) lies.push(() => Bun.sleep(slow).then(() => new Response()));
    const stuck = { ...limits, timeoutMs: 60, tries: 2, sparedMs: 5_000 };
    const keeper = kind === "aws" ? aws({ limits: stuck }) : transit({ limits: stuck });
    const { message } = await failure(keeper.wrap(material, name, 1));
    expect(message).toContain(`${url} does not answer`);
    expect(message).toContain("nothing came within 0.06 seconds");
    const before = service().asked.length;
    expect((await failure(keeper.wrap(material, name, 1))).message).toBe(message);
    expect(service().asked.length).toBe(before);
  });

  test("that sends its answer bit by bit without an end is given up", async () => {
    const { lies } = service();
    const dribble = () =>
      new Response(
        new ReadableStream({
          async pull(stream) {
            await Bun.sleep(20);
            stream.enqueue(new Uint8Array([32]));
          },
        }),
      );
    lies.push(dribble, dribble);
    const stuck = { ...limits, timeoutMs: 100, tries: 2 };
    const keeper = kind === "aws" ? aws({ limits: stuck }) : transit({ limits: stuck });
    expect((await failure(keeper.wrap(material, name, 1))).message).toContain("nothing came within 0.1 seconds");
  });

  test("a huge answer is not read to its end", async () => {
    let sent = 0;
    service().lies.push(
      () =>
        new Response(
          new ReadableStream({
            pull(stream) {
              sent += 65_536;
              stream.enqueue(new Uint8Array(65_536).fill(32));
            },
          }),
        ),
    );
    const { message, isPassing } = await failure(open().wrap(material, name, 1));
    expect([message.includes("more than 65536 bytes"), isPassing]).toEqual([true, false]);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test("a redirect is not followed, wherever it leads", async () => {
    const { lies, asked, url } = service();
    for (const status of [301, 302, 307, 308]) {
      lies.push(() => new Response(null, { status, headers: { location: `${url}/elsewhere` } }));
      expect((await failure(open().wrap(material, name, 1))).message).toContain("a redirect, which is not followed");
    }
    expect(asked).toEqual([]);
  });

  test("answers that are something else are no material", async () => {
    const keeper = open();
    const wrapped = await keeper.wrap(material, name, 1);
    const short = Buffer.from("short").toString("base64");
    const answers = ["", "{", "null", "[]", "{}", '{"data":null}', '{"data":{"plaintext":7},"Plaintext":"?"}'];
    for (const body of [...answers, JSON.stringify({ data: { plaintext: short }, Plaintext: short })]) {
      service().lies.push(() => new Response(body));
      expect((await failure(keeper.unwrap(wrapped, name, 1))).isPassing).toBe(false);
      service().lies.push(() => new Response(body));
      expect((await failure(keeper.wrap(material, name, 1))).isPassing).toBe(false);
    }
  });

  test("one that takes no notice of the name is not relied on", async () => {
    service().isCareless = true;
    expect((await failure(proveKeeper(open()))).message).toContain("takes no notice of what a text is bound to");
  });

  test("a connection that ends in the middle of an answer is a failure that passes", async () => {
    let connections = 0;
    using cutting = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: () => void connections++,
        data(socket) {
          socket.end(connections === 1 ? "" : "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        },
      },
    });
    const url = `http://127.0.0.1:${cutting.port}`;
    const started = performance.now();
    const few = { ...limits, tries: 2, timeoutMs: 5_000 };
    const keeper = kind === "aws" ? aws({ endpoint: url, limits: few }) : transit({ url, limits: few });
    expect((await failure(keeper.wrap(material, name, 1))).isPassing).toBe(true);
    expect([connections, performance.now() - started < 4_000]).toEqual([2, true]);
  });

  test("nobody there", async () => {
    const { url } = service();
    await service().stop();
    expect((await failure(open().wrap(material, name, 1))).message).toContain(`${url} does not answer`);
  });

  test("many at once do not become many connections", async () => {
    let [most, atOnce] = [0, 0];
    for (let count = 0; count < 60; count++) {
      service().lies.push(async (honest) => {
        most = Math.max(most, ++atOnce);
        await Bun.sleep(5);
        atOnce--;
        return await honest();
      });
    }
    const keeper = open();
    const wrapped = await Promise.all(Array.from({ length: 60 }, (_, version) => keeper.wrap(material, name, version)));
    expect([new Set(wrapped.map(String)).size, most > 1, most <= 16]).toEqual([60, true, true]);
  });
});

describe("AWS KMS", () => {
  test("is asked with an encryption context that names what is wrapped", async () => {
    await aws().wrap(material, name, 3);
    expect(kms.asked.at(-1)).toEqual({
      operation: "TrentService.Encrypt",
      input: {
        KeyId: key,
        Plaintext: Buffer.from(material).toString("base64"),
        EncryptionContext: { "berth:key": name, "berth:version": "3" },
      },
    });
  });

  test("a session token is signed, and no error shows it", async () => {
    kms.users.set("ASIATEST", { secret: "other-secret", token: "session-token-of-test" });
    const temporary = { accessKeyId: "ASIATEST", sessionToken: "session-token-of-test" };
    await proveKeeper(aws({ credentials: { ...temporary, secretAccessKey: "other-secret" } }));
    const wrong = aws({ credentials: { ...temporary, secretAccessKey: "wrong-secret" } });
    const { message, isPassing } = await failure(wrong.wrap(material, name, 1));
    expect(message).toContain("InvalidSignatureException: The request signature we calculated does not match.");
    expect(message).toContain("x-amz-security-token:…");
    expect([message.includes("session-token"), message.includes("wrong-secret"), isPassing]).toEqual([
      false,
      false,
      false,
    ]);
    // Several lines would be several entries of a log.
    expect(message).not.toContain("\n");
  });

  test("a clock that is wrong is told", async () => {
    const late = aws({ clock: () => new Date(now.getTime() + 3_600_000) });
    expect((await failure(late.wrap(material, name, 1))).message).toContain("Signature expired");
  });

  test("throttling passes, whatever its status", async () => {
    kms.lies.push(() => Response.json({ __type: "ThrottlingException", message: "slow down" }, { status: 400 }));
    await aws().wrap(material, name, 1);
  });

  test("an id, an alias and an ARN mean the key; the region is that of the ARN", async () => {
    kms.aliases.set("alias/berth", key);
    const wrapped = await aws({ keys: ["alias/berth"], region: kms.region }).wrap(material, name, 1);
    const id = key.slice(key.lastIndexOf("/") + 1);
    expect(await aws({ keys: [id], region: kms.region }).isCurrent(wrapped)).toBe(true);
    expect(await aws({ region: "us-east-1" }).isCurrent(wrapped)).toBe(true);
  });

  test("another key takes over: the one of before opens what it has wrapped while it is named", async () => {
    const before = aws();
    const wrapped = await before.wrap(material, name, 1);
    const newer = kms.newKey();
    const both = aws({ keys: [newer, key] });
    expect([await both.isCurrent(wrapped), await before.isCurrent(wrapped)]).toEqual([false, true]);
    expect(new Uint8Array(await both.unwrap(wrapped, name, 1))).toEqual(material);
    const rewrapped = await both.wrap(material, name, 1);
    expect(await both.isCurrent(rewrapped)).toBe(true);
    const alone = aws({ keys: [newer] });
    expect(new Uint8Array(await alone.unwrap(rewrapped, name, 1))).toEqual(material);
    expect((await failure(alone.unwrap(wrapped, name, 1))).message).toContain(`${key}, which kms.awsKey does not name`);
    kms.keys.set(key, { secret: kms.keys.get(key)?.secret as Buffer, disabled: true });
    expect((await failure(both.unwrap(wrapped, name, 1))).message).toContain(`DisabledException: ${key} is disabled.`);
  });

  test("an alias that is given to another key makes that one current within seconds", async () => {
    kms.aliases.set("alias/berth", key);
    const keeper = aws({ keys: ["alias/berth"], region: kms.region });
    const wrapped = await keeper.wrap(material, name, 1);
    kms.aliases.set("alias/berth", kms.newKey());
    expect(await keeper.isCurrent(wrapped)).toBe(true);
    pass(11);
    expect(await keeper.isCurrent(wrapped)).toBe(false);
  });

  describe("with a web identity", () => {
    const roleArn = "arn:aws:iam::111122223333:role/berth";
    let tokenFile: string;
    const open = () => aws({ credentials: { roleArn, tokenFile } });
    const assumed = () => kms.asked.filter(({ operation }) => operation === "AssumeRoleWithWebIdentity").length;
    beforeEach(() => {
      tokenFile = join(folder, "token");
      writeFileSync(tokenFile, "token-of-workload\n");
    });

    test("a role is assumed once, and anew before its time is up", async () => {
      const keeper = open();
      await Promise.all([1, 2, 3].map((version) => keeper.wrap(material, name, version)));
      expect(assumed()).toBe(1);
      expect(kms.asked[0]?.input).toMatchObject({ RoleArn: roleArn, RoleSessionName: "berth", Version: "2011-06-15" });
      pass(3600 - 301);
      await keeper.wrap(material, name, 1);
      expect(assumed()).toBe(1);
      pass(2);
      await keeper.wrap(material, name, 1);
      expect(assumed()).toBe(2);
    });

    test("credentials that are taken back are renewed at once", async () => {
      const keeper = open();
      await keeper.wrap(material, name, 1);
      for (const user of kms.users.values()) user.expired = true;
      await keeper.wrap(material, name, 1);
      expect(assumed()).toBe(2);
    });

    test("a token that is refused, or not there, is told and not shown", async () => {
      writeFileSync(tokenFile, "token-of-somebody");
      const keeper = open();
      const { message } = await failure(keeper.wrap(material, name, 1));
      expect(message).toContain("AWS STS at http");
      expect(message).toContain("refused AssumeRoleWithWebIdentity: InvalidIdentityToken: It is not known");
      expect(message).not.toContain("token-of");
      writeFileSync(tokenFile, "token-of-workload");
      await keeper.wrap(material, name, 1);
      rmSync(tokenFile);
      expect((await failure(open().wrap(material, name, 1))).message).toContain(`${tokenFile} cannot be read (ENOENT)`);
    });
  });
});

test("AWS KMS with credentials that the platform gives, for as long as they last", async () => {
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "token-of-workload\n");
  const open = () => aws({ credentials: { url: `${kms.url}/credentials`, tokenFile } });
  const keeper = open();
  await proveKeeper(keeper);
  pass(3600 - 299);
  await proveKeeper(keeper);
  expect(kms.asked.filter(({ operation }) => operation === "/credentials").length).toBe(2);
  writeFileSync(tokenFile, "token-of-somebody");
  const { message } = await failure(open().wrap(material, name, 1));
  expect(message).toContain("the credentials service at http");
  expect(message).toContain("refused the request for credentials: AccessDeniedException: … is not known (status 403)");
});

describe("Vault", () => {
  test("is asked with associated data that names what is wrapped", async () => {
    await transit().wrap(material, name, 3);
    expect(vault.asked.at(-1)).toEqual({
      path: "/v1/transit/encrypt/berth",
      input: {
        plaintext: Buffer.from(material).toString("base64"),
        associated_data: Buffer.from(`${name} 3`).toString("base64"),
      },
    });
  });

  test("a rotation of its key is seen within seconds, and the old version opens on", async () => {
    const keeper = transit();
    const wrapped = await keeper.wrap(material, name, 1);
    vault.rotate("transit/berth");
    expect(await keeper.isCurrent(wrapped)).toBe(true);
    pass(11);
    expect(await keeper.isCurrent(wrapped)).toBe(false);
    expect(new Uint8Array(await keeper.unwrap(wrapped, name, 1))).toEqual(material);
    const rewrapped = await keeper.wrap(material, name, 1);
    expect(await keeper.isCurrent(rewrapped)).toBe(true);
    expect(await transit().isCurrent(rewrapped)).toBe(true);
  });

  test("another key takes over: the one of before opens what it has wrapped while it is named", async () => {
    const wrapped = await transit().wrap(material, name, 1);
    vault.keys.set("team/a/berth", [Buffer.alloc(32, 7)]);
    const both = transit({ keys: ["team/a/berth", "transit/berth"] });
    expect(await both.isCurrent(wrapped)).toBe(false);
    expect(new Uint8Array(await both.unwrap(wrapped, name, 1))).toEqual(material);
    expect(await both.isCurrent(await both.wrap(material, name, 1))).toBe(true);
    const alone = transit({ keys: ["team/a/berth"] });
    const { message } = await failure(alone.unwrap(wrapped, name, 1));
    expect(message).toContain("transit/berth v1, which kms.vaultKey does not name");
  });

  test("a token in a file is read again when it changes", async () => {
    const file = join(folder, "token");
    const keeper = transit({ token: { file } });
    expect((await failure(keeper.wrap(material, name, 1))).message).toContain(`${file} cannot be read (ENOENT)`);
    writeFileSync(file, "old-token\n");
    const { message } = await failure(keeper.wrap(material, name, 1));
    expect(message).toContain("2 errors occurred: * permission denied * invalid token (status 403)");
    expect(message).not.toContain("old-token");
    writeFileSync(file, `${token}\n`);
    await keeper.wrap(material, name, 1);
    writeFileSync(file, "two\ntokens\n");
    expect((await failure(keeper.wrap(material, name, 1))).message).toContain("does not have one token");
  });

  test("a namespace is named", async () => {
    vault.namespace = "team-a";
    await transit({ namespace: "team-a" }).wrap(material, name, 1);
    expect((await failure(transit().wrap(material, name, 1))).message).toContain("permission denied (status 403)");
  });

  test("a key that is not there is told", async () => {
    const { message } = await failure(transit({ keys: ["transot/berth"] }).wrap(material, name, 1));
    expect(message).toContain('refused encrypt with transot/berth: no handler for route "transot/encrypt/berth"');
  });

  test("over TLS, only who a named authority vouches for", async () => {
    const { authority, cert, key: secret } = await certificates();
    await using secure = startTransit({ tls: { cert, key: secret } });
    const file = join(folder, "ca.crt");
    const open = () => transit({ url: secure.url, authority: file });
    expect((await failure(open().wrap(material, name, 1))).message).toContain(`${file} cannot be read (ENOENT)`);
    writeFileSync(file, authority);
    await proveKeeper(open());
    expect((await failure(transit({ url: secure.url }).wrap(material, name, 1))).message).toContain("does not answer");
    writeFileSync(file, (await certificates()).authority);
    expect((await failure(open().wrap(material, name, 1))).message).toContain("does not answer");
    expect(secure.asked.length).toBe(3);
  });
});
