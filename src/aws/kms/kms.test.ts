import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateRandomCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  ListAliasesCommand,
  ListKeyPoliciesCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from "@aws-sdk/client-kms";
import { recordsIn } from "../../domain/audit/testing.ts";
import { tendKeys } from "../../domain/keys/upkeep.ts";
import { createKeyWrapper } from "../../domain/keys/wrapping.ts";
import { account, bytesOf, inProcess } from "../testing.ts";
import { failure, newKey } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const day = 86_400;

test("a key is made, described, listed and renamed", async () => {
  const made = await berth.kms.send(new CreateKeyCommand({ Description: "one" }));
  const { KeyId = "", Arn = "" } = made.KeyMetadata ?? {};
  expect(Arn).toBe(`arn:aws:kms:us-east-1:${account}:key/${KeyId}`);
  expect(made.KeyMetadata).toMatchObject({
    AWSAccountId: account,
    Description: "one",
    Enabled: true,
    EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
    KeyManager: "CUSTOMER",
    KeySpec: "SYMMETRIC_DEFAULT",
    KeyState: "Enabled",
    KeyUsage: "ENCRYPT_DECRYPT",
    MultiRegion: false,
    Origin: "AWS_KMS",
  });
  await berth.kms.send(new UpdateKeyDescriptionCommand({ KeyId, Description: "other" }));
  const described = await berth.kms.send(new DescribeKeyCommand({ KeyId: Arn }));
  expect(described.KeyMetadata).toEqual({ ...made.KeyMetadata, Description: "other" } as never);
  const other = await newKey(berth);
  const first = await berth.kms.send(new ListKeysCommand({ Limit: 1 }));
  expect(first.Truncated).toBe(true);
  const second = await berth.kms.send(new ListKeysCommand({ Limit: 1, Marker: first.NextMarker }));
  expect(second.Truncated).toBe(false);
  const listed = [...(first.Keys ?? []), ...(second.Keys ?? [])].map((key) => key.KeyId).sort();
  expect(listed).toEqual([KeyId, other.id].sort());
  expect(await failure(berth.kms.send(new ListKeysCommand({ Marker: "x" })))).toStartWith("InvalidMarkerException");
});

test("a key is of one region", async () => {
  const { id, arn } = await newKey(berth);
  const elsewhere = berth.kmsIn("eu-west-1");
  const byId = failure(elsewhere.send(new DescribeKeyCommand({ KeyId: id })));
  expect(await byId).toBe(`NotFoundException: Key 'arn:aws:kms:eu-west-1:${account}:key/${id}' does not exist`);
  const byArn = failure(elsewhere.send(new DescribeKeyCommand({ KeyId: arn })));
  expect(await byArn).toBe("NotFoundException: Invalid arn us-east-1");
  expect((await elsewhere.send(new ListKeysCommand({}))).Keys).toEqual([]);
});

test("what is encrypted is decrypted with the same context only, and says by which key", async () => {
  const { id, arn } = await newKey(berth);
  const EncryptionContext = { b: "2", a: "1" };
  const encrypted = await berth.kms.send(
    new EncryptCommand({ KeyId: id, Plaintext: bytesOf("secret"), EncryptionContext }),
  );
  expect(encrypted).toMatchObject({ KeyId: arn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" });
  const { CiphertextBlob } = encrypted;
  const decrypt = (more: object) => berth.kms.send(new DecryptCommand({ CiphertextBlob, ...more }));
  const opened = await decrypt({ EncryptionContext: { a: "1", b: "2" } });
  expect([text(opened.Plaintext), opened.KeyId]).toEqual(["secret", arn]);
  for (const context of [undefined, { a: "1" }, { a: "1", b: "3" }, { a: "1", b: "2", c: "" }, { A: "1", b: "2" }]) {
    expect(await failure(decrypt({ EncryptionContext: context }))).toStartWith("InvalidCiphertextException");
  }
  const other = await newKey(berth);
  expect(await failure(decrypt({ EncryptionContext, KeyId: other.id }))).toBe(
    "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.",
  );
  expect(text((await decrypt({ EncryptionContext, KeyId: id })).Plaintext)).toBe("secret");
  for (let at = 0; at < (CiphertextBlob?.length ?? 0); at++) {
    const changed = Uint8Array.from(CiphertextBlob ?? []);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const work = berth.kms.send(new DecryptCommand({ CiphertextBlob: changed, EncryptionContext }));
    expect(await failure(work)).toMatch(/^(?:InvalidCiphertext|AccessDenied)Exception/);
  }
});

test("data keys come in the clear and encrypted, or encrypted only", async () => {
  const { id } = await newKey(berth);
  for (const [input, length] of [
    [{ KeySpec: "AES_256" }, 32],
    [{ KeySpec: "AES_128" }, 16],
    [{ NumberOfBytes: 64 }, 64],
  ] as const) {
    const { Plaintext, CiphertextBlob } = await berth.kms.send(new GenerateDataKeyCommand({ KeyId: id, ...input }));
    expect(Plaintext?.length).toBe(length);
    const opened = await berth.kms.send(new DecryptCommand({ CiphertextBlob }));
    expect(opened.Plaintext).toEqual(Plaintext as Uint8Array);
  }
  const sealed = await berth.kms.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId: id, KeySpec: "AES_256" }));
  expect(sealed).not.toHaveProperty("Plaintext");
  const opened = await berth.kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }));
  expect(opened.Plaintext?.length).toBe(32);
  expect(await failure(berth.kms.send(new GenerateDataKeyCommand({ KeyId: id })))).toBe(
    "ValidationException: Please specify either number of bytes or key spec.",
  );
  expect((await berth.kms.send(new GenerateRandomCommand({ NumberOfBytes: 20 }))).Plaintext?.length).toBe(20);
});

test("a dry run tells that it would have been done, and does nothing", async () => {
  const { id } = await newKey(berth);
  const dry = new EncryptCommand({ KeyId: id, Plaintext: bytesOf("x"), DryRun: true });
  expect(await failure(berth.kms.send(dry))).toStartWith("DryRunOperationException");
});

test("a ciphertext goes from one key to another", async () => {
  const [one, other] = [await newKey(berth), await newKey(berth)];
  const SourceEncryptionContext = { a: "1" };
  const { CiphertextBlob } = await berth.kms.send(
    new EncryptCommand({ KeyId: one.id, Plaintext: bytesOf("moved"), EncryptionContext: SourceEncryptionContext }),
  );
  const DestinationEncryptionContext = { b: "2" };
  const moved = await berth.kms.send(
    new ReEncryptCommand({
      CiphertextBlob,
      SourceEncryptionContext,
      DestinationKeyId: other.id,
      DestinationEncryptionContext,
    }),
  );
  expect(moved).toMatchObject({ SourceKeyId: one.arn, KeyId: other.arn });
  const opened = await berth.kms.send(
    new DecryptCommand({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: DestinationEncryptionContext }),
  );
  expect(text(opened.Plaintext)).toBe("moved");
});

test("a disabled key does nothing until it is enabled", async () => {
  const { id: KeyId, arn } = await newKey(berth);
  const { CiphertextBlob } = await berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("x") }));
  await berth.kms.send(new DisableKeyCommand({ KeyId }));
  const uses = () => [
    berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("x") })),
    berth.kms.send(new DecryptCommand({ CiphertextBlob })),
    berth.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" })),
  ];
  for (const use of uses()) expect(await failure(use)).toBe(`DisabledException: ${arn} is disabled.`);
  const { KeyMetadata } = await berth.kms.send(new DescribeKeyCommand({ KeyId }));
  expect([KeyMetadata?.Enabled, KeyMetadata?.KeyState]).toEqual([false, "Disabled"]);
  await berth.kms.send(new EnableKeyCommand({ KeyId }));
  for (const use of uses()) expect(await failure(use)).toBe("none");
});

test("another process sees within a second that a key was disabled", async () => {
  const { id: KeyId } = await newKey(berth);
  const encrypt = () => berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("x") }));
  await encrypt();
  await berth.metadata.transact(async ({ keys }) => {
    const key = await keys.lock(KeyId as never);
    if (key) await keys.update({ ...key, state: "Disabled" });
  });
  await Bun.sleep(600);
  expect(await failure(encrypt())).toStartWith("DisabledException");
});

test("a key that is to be deleted does nothing, can be saved, and is gone when its time has come", async () => {
  const { id: KeyId, arn } = await newKey(berth);
  const { CiphertextBlob } = await berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("x") }));
  await berth.kms.send(new CreateAliasCommand({ AliasName: "alias/doomed", TargetKeyId: KeyId }));
  const schedule = () => berth.kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
  const scheduled = await schedule();
  expect(scheduled).toMatchObject({ KeyId: arn, KeyState: "PendingDeletion", PendingWindowInDays: 7 });
  expect(scheduled.DeletionDate?.getTime()).toBe(berth.now().getTime() + 7 * day * 1000);
  const pending = `KMSInvalidStateException: ${arn} is pending deletion.`;
  expect(await failure(berth.kms.send(new DecryptCommand({ CiphertextBlob })))).toBe(pending);
  expect(await failure(berth.kms.send(new EnableKeyCommand({ KeyId })))).toBe(pending);
  expect(await failure(schedule())).toBe(pending);
  await berth.kms.send(new CancelKeyDeletionCommand({ KeyId }));
  expect(await failure(berth.kms.send(new DecryptCommand({ CiphertextBlob })))).toStartWith("DisabledException");
  await schedule();
  const wrapper = createKeyWrapper({ known: async () => [], refreshed: async () => [] });
  const tend = () => tendKeys({ metadata: berth.metadata, wrapper, clock: berth.now });
  berth.pass(6 * day);
  expect(await tend()).toEqual({ destroyed: 0, rotated: 0 });
  berth.pass(day);
  expect(await tend()).toEqual({ destroyed: 1, rotated: 0 });
  berth.keyring.changed(KeyId as never);
  const client = berth.kmsIn("us-east-1");
  expect(await failure(client.send(new DescribeKeyCommand({ KeyId })))).toBe(
    `NotFoundException: Key '${arn}' does not exist`,
  );
  expect(await failure(client.send(new DecryptCommand({ CiphertextBlob })))).toStartWith("InvalidCiphertextException");
  expect((await client.send(new ListAliasesCommand({}))).Aliases).toEqual([]);
});

test("rotation adds material; what is older can still be decrypted", async () => {
  const { id: KeyId } = await newKey(berth);
  const status = () => berth.kms.send(new GetKeyRotationStatusCommand({ KeyId }));
  expect((await status()).KeyRotationEnabled).toBe(false);
  const old = await berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("old") }));
  await berth.kms.send(new RotateKeyOnDemandCommand({ KeyId }));
  const young = await berth.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  const opened = await berth.kms.send(new DecryptCommand({ CiphertextBlob: old.CiphertextBlob }));
  expect(text(opened.Plaintext)).toBe("old");
  expect(young.KeyMaterialId).not.toBe(opened.KeyMaterialId as string);
  const { Rotations } = await berth.kms.send(new ListKeyRotationsCommand({ KeyId }));
  expect(Rotations?.map((rotation) => [rotation.KeyMaterialId, rotation.RotationType])).toEqual([
    [young.KeyMaterialId, "ON_DEMAND"],
  ]);
  const all = await berth.kms.send(new ListKeyRotationsCommand({ KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" }));
  expect(all.Rotations?.length).toBe(2);

  await berth.kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }));
  expect(await status()).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 });
  const masterKeys = [new Uint8Array(32).fill(9)];
  const wrapper = createKeyWrapper({ known: async () => masterKeys, refreshed: async () => masterKeys });
  berth.pass(90 * day);
  const tend = () => tendKeys({ metadata: berth.metadata, wrapper, clock: berth.now });
  expect(await tend()).toEqual({ destroyed: 0, rotated: 1 });
  expect(await tend()).toEqual({ destroyed: 0, rotated: 0 });
  berth.keyring.changed();
  const client = berth.kmsIn("us-east-1");
  expect(text((await client.send(new DecryptCommand({ CiphertextBlob: old.CiphertextBlob }))).Plaintext)).toBe("old");
  const newest = await client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  expect(newest.KeyMaterialId).not.toBe(young.KeyMaterialId as string);
  await client.send(new DisableKeyRotationCommand({ KeyId }));
  expect((await client.send(new GetKeyRotationStatusCommand({ KeyId }))).KeyRotationEnabled).toBe(false);
});

test("aliases stand for keys, and can be given to others", async () => {
  const [one, other] = [await newKey(berth), await newKey(berth)];
  const AliasName = "alias/app";
  const create = (TargetKeyId: string) => berth.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId }));
  await create(one.id);
  const arn = `arn:aws:kms:us-east-1:${account}:alias/app`;
  expect(await failure(create(other.id))).toBe(`AlreadyExistsException: An alias with the name ${arn} already exists`);
  const { CiphertextBlob, KeyId } = await berth.kms.send(
    new EncryptCommand({ KeyId: AliasName, Plaintext: bytesOf("x") }),
  );
  expect(KeyId).toBe(one.arn);
  await berth.kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: other.id }));
  expect((await berth.kms.send(new DescribeKeyCommand({ KeyId: arn }))).KeyMetadata?.KeyId).toBe(other.id);
  expect(text((await berth.kms.send(new DecryptCommand({ CiphertextBlob }))).Plaintext)).toBe("x");
  const { Aliases } = await berth.kms.send(new ListAliasesCommand({ KeyId: other.id }));
  expect(Aliases?.map((alias) => [alias.AliasName, alias.AliasArn, alias.TargetKeyId])).toEqual([
    [AliasName, arn, other.id],
  ]);
  expect((await berth.kms.send(new ListAliasesCommand({ KeyId: one.id }))).Aliases).toEqual([]);
  await berth.kms.send(new DeleteAliasCommand({ AliasName }));
  const gone = `NotFoundException: Alias ${arn} is not found.`;
  expect(await failure(berth.kms.send(new DescribeKeyCommand({ KeyId: AliasName })))).toBe(gone);
  expect(await failure(berth.kms.send(new DeleteAliasCommand({ AliasName })))).toBe(gone);
  const reserved = new CreateAliasCommand({ AliasName: "alias/aws/mine", TargetKeyId: one.id });
  expect(await failure(berth.kms.send(reserved))).toStartWith("NotAuthorizedException");
});

test("ECR's own key is made on first use, once, and is not its account's to change", async () => {
  const KeyId = "alias/aws/ecr";
  const made = await Promise.all([1, 2, 3].map(() => berth.kms.send(new DescribeKeyCommand({ KeyId }))));
  const ids = new Set(made.map(({ KeyMetadata }) => KeyMetadata?.KeyId));
  expect(ids.size).toBe(1);
  const [id = ""] = ids;
  expect(made[0]?.KeyMetadata).toMatchObject({ KeyManager: "AWS", KeyState: "Enabled" });
  const denied = await failure(berth.kms.send(new DisableKeyCommand({ KeyId: id })));
  expect(denied).toContain("because no resource-based policy allows the kms:DisableKey action");
  const used = failure(berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("x") })));
  expect(await used).toStartWith("AccessDeniedException");
});

test("tags", async () => {
  const { id: KeyId } = await newKey(berth, { Tags: [{ TagKey: "a", TagValue: "1" }] });
  await berth.kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: "b", TagValue: "2" }] }));
  await berth.kms.send(new UntagResourceCommand({ KeyId, TagKeys: ["a"] }));
  const { Tags } = await berth.kms.send(new ListResourceTagsCommand({ KeyId }));
  expect(Tags).toEqual([{ TagKey: "b", TagValue: "2" }]);
  const aws = new TagResourceCommand({ KeyId, Tags: [{ TagKey: "aws:x", TagValue: "" }] });
  expect(await failure(berth.kms.send(aws))).toStartWith("TagException");
});

test("a key made without a policy has the default one", async () => {
  const { id: KeyId } = await newKey(berth);
  const { Policy, PolicyName } = await berth.kms.send(new GetKeyPolicyCommand({ KeyId }));
  expect(PolicyName).toBe("default");
  expect(JSON.parse(Policy ?? "").Statement[0]).toEqual({
    Sid: "Enable IAM User Permissions",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${account}:root` },
    Action: "kms:*",
    Resource: "*",
  });
  expect((await berth.kms.send(new ListKeyPoliciesCommand({ KeyId }))).PolicyNames).toEqual(["default"]);
});

test("what there is none of here is refused", async () => {
  for (const input of [
    { KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" },
    { MultiRegion: true },
    { Origin: "EXTERNAL" },
  ]) {
    const work = berth.kms.send(new CreateKeyCommand(input as object));
    expect(await failure(work)).toStartWith("UnsupportedOperationException");
  }
  expect(await failure(berth.kms.send(new DescribeKeyCommand({ KeyId: "nonsense" })))).toBe(
    "NotFoundException: Invalid keyId 'nonsense'",
  );
});

test("no key and no plaintext is in the database", async () => {
  const { id: KeyId } = await newKey(berth);
  const { Plaintext } = await berth.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  const [material] = await berth.metadata.read.keys.materials(KeyId as never);
  const wrapper = createKeyWrapper({
    known: async () => [new Uint8Array(32).fill(9)],
    refreshed: async () => [],
  });
  const { arn } = await newKey(berth);
  const wrapped = material?.wrapped ?? new Uint8Array();
  // Under the name of another key it is nothing.
  expect(await failure(wrapper.unwrap(wrapped, arn as never, 1))).not.toBe("none");
  const own = await wrapper.unwrap(wrapped, arn.replace(/[^/]+$/, KeyId) as never, 1);
  expect(own.length).toBe(32);
  expect(Buffer.from(wrapped).includes(Buffer.from(own))).toBe(false);
  expect(Plaintext?.length).toBe(32);
});

test("the audit trail has who used which key with which context, and nothing that was encrypted", async () => {
  const { id: KeyId, arn } = await newKey(berth);
  const EncryptionContext = { team: "a" };
  const made = await berth.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext }));
  const { CiphertextBlob } = made;
  await berth.kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
  await berth.kms.send(new EncryptCommand({ KeyId, Plaintext: bytesOf("a secret"), EncryptionContext }));
  // A change is written before it is answered, with all that came before it.
  await berth.kms.send(new DisableKeyCommand({ KeyId }));
  const events = await recordsIn(berth.metadata);
  const ofKms = events.map(({ record }) => JSON.parse(record)).filter((event) => event.eventName !== "CreateKey");
  expect(ofKms.map((event) => [event.eventName, event.readOnly])).toEqual([
    ["GenerateDataKey", true],
    ["Decrypt", true],
    ["Encrypt", true],
    ["DisableKey", false],
  ]);
  expect(ofKms[0]).toMatchObject({
    eventSource: "kms.amazonaws.com",
    requestParameters: { keyId: KeyId, encryptionContext: EncryptionContext },
    resources: [{ ARN: arn, type: "AWS::KMS::Key" }],
  });
  const text = JSON.stringify(events);
  for (const bytes of [made.Plaintext, CiphertextBlob, bytesOf("a secret")]) {
    expect(text).not.toContain(Buffer.from(bytes ?? []).toString("base64"));
  }
});
