import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Aws, type Json, openAws, policy } from "./aws.ts";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";
import { version } from "./process.ts";

/** Every operation of KMS that there is, with the stock AWS CLI. */
export const name = "kms";
export const installedByCi = true;
// Each call starts Python anew, which costs most of a second.
export const timeoutMs = 300_000;
export const find = () => version(["aws", "--version"]);

interface Story {
  readonly world: World;
  readonly aws: Aws;
  kms(operation: string, ...args: string[]): Promise<Json>;
  /** Must fail; what it says. */
  refused(operation: string, ...args: string[]): Promise<string>;
  /** Bytes as a file that an argument names. */
  file(name: string, base64: string): Promise<string>;
  readonly id: string;
  readonly arn: string;
}

export async function run(world: World): Promise<void> {
  const aws = openAws(world);
  const kms = (operation: string, ...args: string[]) => aws.json("kms", operation, ...args);
  const { KeyMetadata } = await kms("create-key", "--description", "one", "--tags", "TagKey=a,TagValue=1");
  const story: Story = {
    world,
    aws,
    kms,
    refused: (operation, ...args) => aws.refused("kms", operation, ...args),
    async file(fileName, base64) {
      const path = join(world.folder, fileName);
      await writeFile(path, Buffer.from(base64, "base64"));
      return `fileb://${path}`;
    },
    id: KeyMetadata.KeyId,
    arn: KeyMetadata.Arn,
  };
  await keysAndAliases(story);
  await policiesAndTags(story);
  await encryption(story);
  await rotation(story);
  await grants(story);
  await repositories(story);
  await states(story);
}

async function repositories({ world: { check, account, region }, kms, aws, id, arn }: Story): Promise<void> {
  const ecr = (operation: string, ...args: string[]) => aws.json("ecr", operation, ...args);
  const named = ["--repository-name", "kms/cli"];
  const key = `encryptionType=KMS,kmsKey=${id}`;
  await check(
    "ecr create-repository, describe-repositories and delete-repository, with each encryption type",
    async () => {
      const ofRegistry = (await ecr("create-repository", ...named, "--encryption-configuration", "encryptionType=KMS"))
        .repository.encryptionConfiguration.kmsKey;
      contains(ofRegistry, `arn:aws:kms:${region}:${account}:key/`, "key of the registry");
      await ecr("delete-repository", ...named);
      for (const [given, expected] of [
        ["encryptionType=AES256", { encryptionType: "AES256" }],
        [key, { encryptionType: "KMS", kmsKey: arn }],
        [`encryptionType=KMS_DSSE,kmsKey=${arn}`, { encryptionType: "KMS_DSSE", kmsKey: arn }],
      ] as const) {
        const made = await ecr("create-repository", ...named, "--encryption-configuration", given);
        equal(made.repository.encryptionConfiguration, expected, "created");
        const { repositories } = await ecr("describe-repositories", "--repository-names", "kms/cli");
        equal(repositories[0].encryptionConfiguration, expected, "described");
        const { Grants } = await kms("list-grants", "--key-id", id);
        equal(Grants.length, expected.encryptionType === "AES256" ? 0 : 2, "grants");
        equal((await ecr("delete-repository", ...named)).repository.encryptionConfiguration, expected, "deleted");
        equal((await kms("list-grants", "--key-id", id)).Grants, [], "grants left");
      }
    },
  );
  await check("ecr create-repository with a key that cannot be used", async () => {
    await kms("disable-key", "--key-id", id);
    const said = await aws.refused("ecr", "create-repository", ...named, "--encryption-configuration", key);
    contains(said, `(KmsException) when calling the CreateRepository operation: ${arn} is disabled.`, "refusal");
    await kms("enable-key", "--key-id", id);
  });
}

async function keysAndAliases({ world: { check, account, region }, kms, refused, id, arn }: Story): Promise<void> {
  await check("create-key, describe-key, list-keys, update-key-description", async () => {
    await kms("update-key-description", "--key-id", id, "--description", "other");
    const { KeyMetadata } = await kms("describe-key", "--key-id", arn);
    equal([KeyMetadata.Arn, KeyMetadata.Description, KeyMetadata.KeyState], [arn, "other", "Enabled"], "key");
    const { Keys } = await kms("list-keys");
    holds(
      Keys.some((key: Json) => key.KeyArn === arn),
      "the key is not listed",
    );
    contains(await refused("describe-key", "--key-id", crypto.randomUUID()), "NotFoundException", "refusal");
  });
  await check("create-alias, list-aliases, update-alias, delete-alias", async () => {
    await kms("create-alias", "--alias-name", "alias/cli", "--target-key-id", id);
    const { Aliases } = await kms("list-aliases", "--key-id", id);
    equal(
      Aliases.map((alias: Json) => alias.AliasArn),
      [`arn:aws:kms:${region}:${account}:alias/cli`],
      "aliases",
    );
    const { KeyMetadata } = await kms("create-key");
    await kms("update-alias", "--alias-name", "alias/cli", "--target-key-id", KeyMetadata.KeyId);
    const described = await kms("describe-key", "--key-id", "alias/cli");
    equal(described.KeyMetadata.KeyId, KeyMetadata.KeyId, "key behind the alias");
    await kms("delete-alias", "--alias-name", "alias/cli");
    contains(await refused("describe-key", "--key-id", "alias/cli"), "is not found.", "refusal");
  });
}

async function policiesAndTags({ world: { check, account }, kms, refused, id }: Story): Promise<void> {
  const everything = { Effect: "Allow", Action: "kms:*", Resource: "*" };
  await check("get-key-policy, put-key-policy, list-key-policies", async () => {
    equal((await kms("list-key-policies", "--key-id", id)).PolicyNames, ["default"], "policies");
    const mine = policy({ Sid: "mine", ...everything, Principal: { AWS: `arn:aws:iam::${account}:root` } });
    await kms("put-key-policy", "--key-id", id, "--policy-name", "default", "--policy", mine);
    equal((await kms("get-key-policy", "--key-id", id, "--policy-name", "default")).Policy, mine, "policy");
    const lockout = policy({ ...everything, Action: "kms:Decrypt", Principal: { AWS: account } });
    const said = await refused("put-key-policy", "--key-id", id, "--policy-name", "default", "--policy", lockout);
    contains(said, "MalformedPolicyDocumentException", "refusal");
  });
  await check("tag-resource, untag-resource, list-resource-tags", async () => {
    await kms("tag-resource", "--key-id", id, "--tags", "TagKey=b,TagValue=2");
    await kms("untag-resource", "--key-id", id, "--tag-keys", "a");
    equal((await kms("list-resource-tags", "--key-id", id)).Tags, [{ TagKey: "b", TagValue: "2" }], "tags");
  });
}

async function encryption({ world: { check }, kms, refused, file, id, arn }: Story): Promise<void> {
  const plaintext = btoa("hello");
  await check("encrypt, decrypt without the key's name, re-encrypt", async () => {
    const path = await file("plain", plaintext);
    const encrypted = await kms("encrypt", "--key-id", id, "--plaintext", path, "--encryption-context", "a=1");
    const blob = await file("cipher", encrypted.CiphertextBlob);
    const opened = await kms("decrypt", "--ciphertext-blob", blob, "--encryption-context", "a=1");
    equal([opened.Plaintext, opened.KeyId], [plaintext, arn], "decrypted");
    const wrong = await refused("decrypt", "--ciphertext-blob", blob, "--encryption-context", "a=2");
    contains(wrong, "InvalidCiphertextException", "refusal");
    const to = ["--destination-key-id", id, "--destination-encryption-context", "b=2"];
    const moved = await kms("re-encrypt", "--ciphertext-blob", blob, "--source-encryption-context", "a=1", ...to);
    const again = await file("moved", moved.CiphertextBlob);
    const reopened = await kms("decrypt", "--ciphertext-blob", again, "--encryption-context", "b=2", "--key-id", id);
    equal(reopened.Plaintext, plaintext, "decrypted after re-encrypt");
  });
  await check("generate-data-key, generate-data-key-without-plaintext, generate-random", async () => {
    const made = await kms("generate-data-key", "--key-id", id, "--key-spec", "AES_256");
    const opened = await kms("decrypt", "--ciphertext-blob", await file("data", made.CiphertextBlob));
    equal(opened.Plaintext, made.Plaintext, "data key");
    const sealed = await kms("generate-data-key-without-plaintext", "--key-id", id, "--number-of-bytes", "24");
    const other = await kms("decrypt", "--ciphertext-blob", await file("sealed", sealed.CiphertextBlob));
    equal([sealed.Plaintext, atob(other.Plaintext).length], [undefined, 24], "data key without plaintext");
    equal(atob((await kms("generate-random", "--number-of-bytes", "9")).Plaintext).length, 9, "random bytes");
  });
}

async function rotation({ world: { check }, kms, file, id }: Story): Promise<void> {
  await check("key rotation: enable, status, on demand, list, disable", async () => {
    const before = await kms("encrypt", "--key-id", id, "--plaintext", await file("plain", btoa("old")));
    await kms("enable-key-rotation", "--key-id", id);
    equal((await kms("get-key-rotation-status", "--key-id", id)).KeyRotationEnabled, true, "rotation");
    await kms("rotate-key-on-demand", "--key-id", id);
    const { Rotations } = await kms("list-key-rotations", "--key-id", id);
    equal(
      Rotations.map((one: Json) => one.RotationType),
      ["ON_DEMAND"],
      "rotations",
    );
    const opened = await kms("decrypt", "--ciphertext-blob", await file("old", before.CiphertextBlob));
    equal(opened.Plaintext, btoa("old"), "what was encrypted before");
    await kms("disable-key-rotation", "--key-id", id);
    equal((await kms("get-key-rotation-status", "--key-id", id)).KeyRotationEnabled, false, "rotation");
  });
}

async function grants({ world: { check, account }, kms, aws, id }: Story): Promise<void> {
  await check("create-grant, list-grants, list-retirable-grants, retire-grant, revoke-grant", async () => {
    const { User } = await aws.json("iam", "create-user", "--user-name", "kms-grantee");
    const { AccessKey } = await aws.json("iam", "create-access-key", "--user-name", "kms-grantee");
    const grantee = aws.as(AccessKey);
    const root = `arn:aws:iam::${account}:root`;
    const make = ["--key-id", id, "--grantee-principal", User.Arn, "--retiring-principal", root];
    const made = await kms("create-grant", ...make, "--operations", "DescribeKey");
    equal((await grantee.json("kms", "describe-key", "--key-id", id)).KeyMetadata.KeyId, id, "described key");
    const { Grants } = await kms("list-grants", "--key-id", id);
    equal(
      Grants.map((grant: Json) => grant.GrantId),
      [made.GrantId],
      "grants",
    );
    const retirable = await kms("list-retirable-grants", "--retiring-principal", root);
    equal(
      retirable.Grants.map((grant: Json) => grant.GrantId),
      [made.GrantId],
      "retirable grants",
    );
    await kms("retire-grant", "--grant-token", made.GrantToken);
    contains(await grantee.refused("kms", "describe-key", "--key-id", id), "AccessDenied", "refusal");
    const other = await kms("create-grant", ...make, "--operations", "Decrypt");
    await kms("revoke-grant", "--key-id", id, "--grant-id", other.GrantId);
    equal((await kms("list-grants", "--key-id", id)).Grants, [], "grants left");
  });
}

async function states({ world: { check }, kms, refused, id, arn }: Story): Promise<void> {
  const dataKey = ["--key-id", id, "--key-spec", "AES_256"];
  await check("disable-key, enable-key", async () => {
    await kms("disable-key", "--key-id", id);
    contains(await refused("generate-data-key", ...dataKey), `${arn} is disabled.`, "refusal");
    await kms("enable-key", "--key-id", id);
    await kms("generate-data-key", ...dataKey);
  });
  await check("schedule-key-deletion, cancel-key-deletion", async () => {
    const scheduled = await kms("schedule-key-deletion", "--key-id", id, "--pending-window-in-days", "7");
    equal(scheduled.KeyState, "PendingDeletion", "state");
    contains(await refused("generate-data-key", ...dataKey), `${arn} is pending deletion.`, "refusal");
    await kms("cancel-key-deletion", "--key-id", id);
    equal((await kms("describe-key", "--key-id", id)).KeyMetadata.KeyState, "Disabled", "state");
  });
}
