import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  CreateRoleCommand,
  DeleteAccessKeyCommand,
  DeleteUserCommand,
  ListAccessKeysCommand,
} from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  type GrantConstraints,
  type GrantOperation,
  ListGrantsCommand,
  ListRetirableGrantsCommand,
  PutKeyPolicyCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
} from "@aws-sdk/client-kms";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { account, bytesOf, inProcess } from "../testing.ts";
import { failure, newKey, person, statement } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const root = { AWS: `arn:aws:iam::${account}:root` };
const everything = { Effect: "Allow", Action: "kms:*", Resource: "*" };
const delegates = { Sid: "account", ...everything, Principal: root };
const Plaintext = bytesOf("x");
type Context = Record<string, string> | undefined;
const denied = (reason: string) => expect.stringMatching(new RegExp(`^AccessDeniedException: .*${reason}`));
const unlet = denied("because no resource-based policy allows the kms:Encrypt action");

describe("policies", () => {
  test("the account is let in by the key, and its user by its own policy", async () => {
    const { arn, id } = await newKey(berth);
    const allowed = await person(berth, "a", statement({ ...everything, Action: "kms:Encrypt", Resource: arn }));
    const nobody = await person(berth, "b");
    const encrypt = new EncryptCommand({ KeyId: id, Plaintext });
    expect(await failure(allowed.kms.send(encrypt))).toBe("none");
    expect(await failure(nobody.kms.send(encrypt))).toEqual(
      denied("because no identity-based policy allows the kms:Encrypt action"),
    );
    expect(await failure(allowed.kms.send(new DescribeKeyCommand({ KeyId: id })))).toEqual(
      denied("no identity-based policy"),
    );
  });

  test("where the key does not let the account in, no policy of a user helps, and a user that it names needs none", async () => {
    const named = await person(berth, "named");
    const administrator = await person(berth, "administrator", statement(everything));
    const Policy = statement({ ...everything, Principal: { AWS: named.arn } });
    const { id: KeyId } = await newKey(berth, { Policy, BypassPolicyLockoutSafetyCheck: true });
    const encrypt = new EncryptCommand({ KeyId, Plaintext });
    expect(await failure(named.kms.send(encrypt))).toBe("none");
    expect(await failure(administrator.kms.send(encrypt))).toEqual(unlet);
    expect(await failure(berth.kms.send(encrypt))).toEqual(unlet);
  });

  test("a later user of the same name inherits nothing", async () => {
    const { iam } = berth;
    const { arn } = await person(berth, "name");
    const { id: KeyId } = await newKey(berth, {
      Policy: statement(delegates, { ...everything, Principal: { AWS: arn } }),
    });
    const { AccessKeyMetadata } = await iam.send(new ListAccessKeysCommand({ UserName: "name" }));
    const AccessKeyId = AccessKeyMetadata?.[0]?.AccessKeyId ?? "";
    await iam.send(new DeleteAccessKeyCommand({ UserName: "name", AccessKeyId }));
    await iam.send(new DeleteUserCommand({ UserName: "name" }));
    const again = await person(berth, "name");
    expect(await failure(again.kms.send(new EncryptCommand({ KeyId, Plaintext })))).toEqual(
      denied("no identity-based"),
    );
    const { Policy } = await berth.kms.send(new GetKeyPolicyCommand({ KeyId }));
    expect(Policy).toContain("AIDA");
    expect(Policy).not.toContain(arn);
  });

  test("a policy may ask about the encryption context", async () => {
    const condition = { StringEquals: { "kms:EncryptionContext:team": "a" } };
    const keys = { "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["team"] } };
    const one = await person(berth, "a", statement({ ...everything, Condition: { ...condition, ...keys } }));
    const { id: KeyId } = await newKey(berth);
    const encrypt = (EncryptionContext?: Record<string, string>) =>
      failure(one.kms.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext })));
    expect(await encrypt({ team: "a" })).toBe("none");
    const others: Context[] = [undefined, { team: "b" }, { team: "a", more: "x" }];
    for (const context of others) {
      expect(await encrypt(context)).toEqual(denied("no identity-based policy"));
    }
  });

  test("no policy that would lock out whoever sets it, unless they insist", async () => {
    const { id: KeyId } = await newKey(berth);
    const { arn } = await person(berth, "other");
    const Policy = statement({ ...everything, Principal: { AWS: arn } });
    const put = (more: object = {}) => failure(berth.kms.send(new PutKeyPolicyCommand({ KeyId, Policy, ...more })));
    const locked =
      "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.";
    expect(await put()).toBe(locked);
    expect(await failure(berth.kms.send(new CreateKeyCommand({ Policy })))).toBe(locked);
    expect(await put({ BypassPolicyLockoutSafetyCheck: true })).toBe("none");
    expect(await put()).toEqual(denied("because no resource-based policy allows the kms:PutKeyPolicy action"));
  });

  test("no policy that is none, or that names nobody", async () => {
    const nobody = { AWS: `arn:aws:iam::${account}:user/nobody` };
    for (const Policy of [
      "{}",
      statement(everything),
      statement({ ...delegates, Action: "ecr:*" }),
      statement({ ...delegates, Resource: undefined }),
      statement(delegates, { ...everything, Principal: nobody }),
    ]) {
      const work = berth.kms.send(new CreateKeyCommand({ Policy }));
      expect(await failure(work)).toStartWith("MalformedPolicyDocumentException");
    }
  });
});

describe("another account", () => {
  const other = "444455556666";

  async function stranger() {
    const { rootKey } = await berth.accounts.create({ name: "other", id: other as never });
    return { kms: berth.kmsAs({ accessKeyId: rootKey.accessKeyId, secretAccessKey: rootKey.secret }) };
  }

  test("is let in by the key's policy, and decrypts without naming the key", async () => {
    const { kms } = await stranger();
    const { arn } = await newKey(berth);
    const encrypt = new EncryptCommand({ KeyId: arn, Plaintext });
    expect(await failure(kms.send(encrypt))).toEqual(unlet);
    const Policy = statement(delegates, {
      ...everything,
      Principal: { AWS: other },
      Action: ["kms:Encrypt", "kms:Decrypt"],
    });
    await berth.kms.send(new PutKeyPolicyCommand({ KeyId: arn, Policy }));
    const { CiphertextBlob } = await kms.send(encrypt);
    expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Plaintext);
    expect(await failure(kms.send(new DescribeKeyCommand({ KeyId: arn })))).toEqual(denied("no resource-based policy"));
  });

  test("learns nothing of what is not there", async () => {
    const { kms } = await stranger();
    const { arn } = await newKey(berth);
    const ghost = arn.replace(/[^/]+$/, crypto.randomUUID());
    const told = async (KeyId: string) =>
      (await failure(kms.send(new DescribeKeyCommand({ KeyId })))).replaceAll(KeyId, "KEY");
    expect(await told(ghost)).toBe(await told(arn));
  });
});

describe("grants", () => {
  const grant = (KeyId: string, GranteePrincipal: string, Operations: GrantOperation[], more: object = {}) =>
    new CreateGrantCommand({ KeyId, GranteePrincipal, Operations, ...more });

  test("allow their grantee what they name, until they are revoked", async () => {
    const { id: KeyId } = await newKey(berth);
    const { arn, kms } = await person(berth, "grantee");
    const encrypt = () => failure(kms.send(new EncryptCommand({ KeyId, Plaintext })));
    expect(await encrypt()).toStartWith("AccessDeniedException");
    const { GrantId = "" } = await berth.kms.send(grant(KeyId, arn, ["Encrypt"], { Name: "one" }));
    const again = await berth.kms.send(grant(KeyId, arn, ["Encrypt"], { Name: "one" }));
    expect(again.GrantId).toBe(GrantId);
    expect(await encrypt()).toBe("none");
    expect(await failure(kms.send(new DescribeKeyCommand({ KeyId })))).toStartWith("AccessDeniedException");
    const { Grants } = await berth.kms.send(new ListGrantsCommand({ KeyId }));
    expect(Grants).toMatchObject([{ GrantId, GranteePrincipal: arn, Operations: ["Encrypt"], Name: "one" }]);
    await berth.kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
    expect(await encrypt()).toStartWith("AccessDeniedException");
    expect(await failure(berth.kms.send(new RevokeGrantCommand({ KeyId, GrantId })))).toStartWith(
      "InvalidGrantIdException",
    );
  });

  test("count at once for whoever brings their token, though another process made them", async () => {
    const { id: KeyId, arn } = await newKey(berth);
    const grantee = await person(berth, "grantee");
    const encrypt = (GrantTokens?: string[]) =>
      failure(grantee.kms.send(new EncryptCommand({ KeyId, Plaintext, GrantTokens })));
    const made = await berth.kms.send(grant(KeyId, grantee.arn, ["Decrypt"]));
    expect(await encrypt()).toStartWith("AccessDeniedException");
    await berth.metadata.transact(async ({ keyGrants }) => {
      const found = await keyGrants.find(KeyId as never, made.GrantId ?? "");
      if (found) await keyGrants.create({ ...found, id: "aa", operations: ["Encrypt"] });
    });
    expect(await encrypt()).toStartWith("AccessDeniedException");
    expect(await encrypt([berth.sealer.seal("key grant", { key: arn, grant: "aa" })])).toBe("none");
    expect(await encrypt(["nonsense"])).toStartWith("InvalidGrantTokenException");
  });

  test("are held to their encryption context, by case", async () => {
    const { id: KeyId } = await newKey(berth);
    const { arn, kms } = await person(berth, "grantee");
    const use = (EncryptionContext?: Record<string, string>) =>
      failure(kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext })));
    const make = (Constraints: GrantConstraints) =>
      berth.kms.send(grant(KeyId, arn, ["GenerateDataKey"], { Constraints }));
    const { GrantId = "" } = await make({ EncryptionContextSubset: { repository: "a" } });
    expect(await use({ repository: "a", more: "b" })).toBe("none");
    const others: Context[] = [undefined, { repository: "b" }, { Repository: "a" }];
    for (const context of others) {
      expect(await use(context)).toStartWith("AccessDeniedException");
    }
    await berth.kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
    await make({ EncryptionContextEquals: { repository: "a" } });
    expect(await use({ repository: "a" })).toBe("none");
    expect(await use({ repository: "a", more: "b" })).toStartWith("AccessDeniedException");
  });

  test("are retired by those who may, by token or id, and by nobody by right of another grant", async () => {
    const { id: KeyId, arn } = await newKey(berth);
    const retiring = await person(berth, "retiring");
    const other = await person(berth, "other");
    const one = await berth.kms.send(grant(KeyId, other.arn, ["Encrypt", "RetireGrant"]));
    const two = await berth.kms.send(grant(KeyId, other.arn, ["Encrypt"], { RetiringPrincipal: retiring.arn }));
    const retirable = await berth.kms.send(new ListRetirableGrantsCommand({ RetiringPrincipal: retiring.arn }));
    expect(retirable.Grants?.map((found) => found.GrantId)).toEqual([two.GrantId]);
    const byId = ({ GrantId }: { GrantId?: string }) => new RetireGrantCommand({ KeyId: arn, GrantId });
    expect(await failure(other.kms.send(byId(two)))).toStartWith("AccessDeniedException");
    expect(await failure(retiring.kms.send(byId(one)))).toStartWith("AccessDeniedException");
    expect(await failure(retiring.kms.send(new RetireGrantCommand({ GrantToken: two.GrantToken })))).toBe("none");
    expect(await failure(other.kms.send(byId(one)))).toBe("none");
    expect((await berth.kms.send(new ListGrantsCommand({ KeyId }))).Grants).toEqual([]);
    const nonsense = new RetireGrantCommand({ GrantToken: "nonsense" });
    expect(await failure(retiring.kms.send(nonsense))).toStartWith("InvalidGrantTokenException");
  });

  test("are passed on no wider than they are", async () => {
    const { id: KeyId } = await newKey(berth);
    const grantee = await person(berth, "grantee");
    const third = await person(berth, "third");
    const Constraints = { EncryptionContextSubset: { a: "1" } };
    await berth.kms.send(grant(KeyId, grantee.arn, ["Encrypt", "CreateGrant"], { Constraints }));
    const pass = (operations: GrantOperation[], constraints?: GrantConstraints) =>
      failure(grantee.kms.send(grant(KeyId, third.arn, operations, { Constraints: constraints })));
    expect(await pass(["Decrypt"], Constraints)).toStartWith("AccessDeniedException");
    expect(await pass(["Encrypt"])).toStartWith("AccessDeniedException");
    expect(await pass(["Encrypt"], { EncryptionContextSubset: { b: "1" } })).toStartWith("AccessDeniedException");
    expect(await pass(["Encrypt"], { EncryptionContextEquals: { a: "1", b: "2" } })).toBe("none");
  });

  test("to a role hold for its sessions; to whom nobody knows there are none", async () => {
    const trust = statement({ Effect: "Allow", Principal: root, Action: "sts:AssumeRole" });
    const { Role } = await berth.iam.send(new CreateRoleCommand({ RoleName: "r", AssumeRolePolicyDocument: trust }));
    const { id: KeyId } = await newKey(berth);
    await berth.kms.send(grant(KeyId, Role?.Arn ?? "", ["Encrypt"]));
    const assumer = await person(berth, "assumer", statement({ ...everything, Action: "sts:*" }));
    const { Credentials } = await berth
      .stsAs(await assumer.kms.config.credentials())
      .send(new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: "session" }));
    const session = berth.kmsAs({
      accessKeyId: Credentials?.AccessKeyId ?? "",
      secretAccessKey: Credentials?.SecretAccessKey ?? "",
      sessionToken: Credentials?.SessionToken,
    });
    expect(await failure(session.send(new EncryptCommand({ KeyId, Plaintext })))).toBe("none");
    expect(await failure(session.send(new DescribeKeyCommand({ KeyId })))).toStartWith("AccessDeniedException");
    const ghost = grant(KeyId, `arn:aws:iam::${account}:user/ghost`, ["Encrypt"]);
    expect(await failure(berth.kms.send(ghost))).toStartWith("InvalidArnException");
  });
});
