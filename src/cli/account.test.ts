import { expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { programIn } from "./testing.ts";

/** `berth account` as processes, beside a server that is in use. */

setDefaultTimeout(60_000);

// Each folder that a test works in is the data directory.
const { folder, run, serve } = programIn("account", { BERTH_DATA: "." });

interface Pair {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Who the pair is to the server, or what it says instead. */
async function whoIs(endpoint: string, { accessKeyId, secretAccessKey }: Pair) {
  const sts = new STSClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  return sts.send(new GetCallerIdentityCommand({})).then(
    ({ Arn }) => Arn,
    (error) => error.name,
  );
}

test("accounts are made, locked, unlocked and given other keys while the server runs", async () => {
  const data = folder();
  expect(await run(["account", "list"], data)).toMatchObject({ code: 1, out: "" });
  const url = (await serve(data)).url.origin;
  const first = await run(["account", "create", "dev", "--email", "dev@example.com", "--json"], data);
  expect(first.code).toBe(0);
  expect(first.err).toContain("shown only now");
  const made = JSON.parse(first.out) as Pair & { id: string; name: string; email: string };
  expect(made).toMatchObject({ name: "dev", email: "dev@example.com" });
  expect(made.id).toMatch(/^[1-9]\d{11}$/);
  expect(made.accessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/);
  expect(await whoIs(url, made)).toBe(`arn:aws:iam::${made.id}:root`);
  const { accessKeyId, secretAccessKey } = made;
  const ecr = new ECRClient({ endpoint: url, region: "us-east-1", credentials: { accessKeyId, secretAccessKey } });
  const { authorizationData = [] } = await ecr.send(new GetAuthorizationTokenCommand({}));
  const signedIn = () =>
    fetch(new URL("/v2/", url), { headers: { authorization: `Basic ${authorizationData[0]?.authorizationToken}` } });
  expect((await signedIn()).status).toBe(200);

  const listed = await run(["account", "list", "--json"], data);
  expect(JSON.parse(listed.out)).toMatchObject([
    { id: "000000000000", status: "ACTIVE", isConfigured: true, inOrganization: false },
    { id: made.id, name: "dev", status: "ACTIVE", isConfigured: false },
  ]);
  expect(listed.out).not.toContain(made.secretAccessKey);

  expect(await run(["account", "suspend", made.id], data)).toMatchObject({ code: 0, out: `${made.id} is suspended\n` });
  await Bun.sleep(600);
  expect(await whoIs(url, made)).toBe("InvalidClientTokenId");
  expect((await signedIn()).status).toBe(401);
  expect((await run(["account", "list"], data)).out).toContain(`${made.id}  suspended  dev `);
  await run(["account", "resume", made.id], data);
  expect(await whoIs(url, made)).toBe(`arn:aws:iam::${made.id}:root`);

  const replaced = await run(["account", "new-root-key", made.id, "--env"], data);
  const [, id = "", secret = ""] = /AWS_ACCESS_KEY_ID=(\S+) AWS_SECRET_ACCESS_KEY=(\S+)/.exec(replaced.out) ?? [];
  await Bun.sleep(600);
  expect(await whoIs(url, made)).toBe("InvalidClientTokenId");
  expect((await signedIn()).status).toBe(401);
  expect(await whoIs(url, { accessKeyId: id, secretAccessKey: secret })).toBe(`arn:aws:iam::${made.id}:root`);
});

test("what cannot be is refused with a line", async () => {
  const data = folder();
  await serve(data);
  const refused = async (...args: string[]) => {
    const { out, err, code } = await run(["account", ...args], data);
    expect([out, code]).toEqual(["", 1]);
    return err;
  };
  const taken = await run(["account", "create", "one", "--id", "123456789012", "--email", "one@example.com"], data);
  expect(taken.out).toStartWith("account            123456789012\naccess key id      AKIA");
  expect(await refused("create", "two", "--id", "123456789012")).toBe(
    "berth: there is an account 123456789012 already\n",
  );
  expect(await refused("create", "two", "--email", "ONE@example.com")).toBe(
    "berth: another account has the email ONE@example.com\n",
  );
  expect(await refused("create", "two", "--id", "000000000000")).toBe(
    "berth: there is an account 000000000000 already\n",
  );
  expect(await refused("create", "two", "--id", "12")).toBe('berth: --id: given "12"; allowed: twelve digits\n');
  expect(await refused("create", "two", "--email", "nobody")).toBe(
    'berth: "nobody" is not an email address of 6 to 64 characters\n',
  );
  expect(await refused("create", "")).toBe("berth: the name of an account has 1 to 50 printable ASCII characters\n");
  expect(await refused("suspend", "000000000000")).toBe(
    "berth: 000000000000 is the configured account, which cannot be suspended\n",
  );
  expect(await refused("new-root-key", "000000000000")).toBe(
    "berth: the root key pair of 000000000000, the configured account, is in its credentials file or settings\n",
  );
  expect(await refused("suspend", "999999999999")).toBe("berth: there is no account 999999999999\n");
  expect(await refused("join", "123456789012")).toBe("berth: there is no organization\n");
  rmSync(join(data, "keys", "sealing.key"));
  expect(await refused("list")).toStartWith("berth: there is no sealing key ");
});
