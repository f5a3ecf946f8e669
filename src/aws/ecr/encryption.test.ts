import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  type EncryptionType,
  GetDownloadUrlForLayerCommand,
  InitiateLayerUploadCommand,
  PutImageCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ListAliasesCommand,
  ListGrantsCommand,
  PutKeyPolicyCommand,
  RevokeGrantCommand,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";
import { failure, newKey, person, statement } from "../kms/testing.ts";
import { account, bytesOf, digestOf, inProcess, manifestOf } from "../testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const root = { AWS: `arn:aws:iam::${account}:root` };
const service = "ecr.us-east-1.amazonaws.com";
const arnOf = (repositoryName: string) => `arn:aws:ecr:us-east-1:${account}:repository/${repositoryName}`;

async function create(
  repositoryName: string,
  encryptionType: EncryptionType,
  kmsKey?: string,
  { ecr }: Pick<typeof berth, "ecr"> = berth,
) {
  const encryptionConfiguration = { encryptionType, kmsKey };
  return (await ecr.send(new CreateRepositoryCommand({ repositoryName, encryptionConfiguration }))).repository;
}

const grantsOf = async (KeyId: string) => (await berth.kms.send(new ListGrantsCommand({ KeyId }))).Grants ?? [];

/** What is refused with this of KMS. */
const kms = (kmsError: string, message?: unknown) =>
  expect.objectContaining({ name: "KmsException", kmsError, ...(message !== undefined && { message }) });
const thrown = async (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("a repository with a key", () => {
  test("names it by id, ARN, alias or the ARN of an alias, and shows its ARN", async () => {
    const { id, arn } = await newKey(berth);
    const AliasName = "alias/layers";
    await berth.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: id }));
    const names = [id, arn, AliasName, `arn:aws:kms:us-east-1:${account}:${AliasName}`];
    for (const [index, name] of names.entries()) {
      for (const type of ["KMS", "KMS_DSSE"] as const) {
        const repositoryName = `app/${type.toLowerCase()}-${index}`.replace("_", "-");
        const encryptionConfiguration = { encryptionType: type, kmsKey: arn };
        expect(await create(repositoryName, type, name)).toMatchObject({ encryptionConfiguration });
        const described = await berth.ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }));
        expect(described.repositories).toMatchObject([{ encryptionConfiguration }]);
        const { repository } = await berth.ecr.send(new DeleteRepositoryCommand({ repositoryName }));
        expect(repository).toMatchObject({ encryptionConfiguration });
      }
    }
    expect(await grantsOf(id)).toEqual([]);
  });

  test("gives the registry two grants for it, and takes them back when it is deleted", async () => {
    const { id } = await newKey(berth);
    await create("app-a", "KMS", id);
    await create("app-b", "KMS", id);
    const mine = (grants: Awaited<ReturnType<typeof grantsOf>>, name: string) =>
      grants.filter(({ Constraints }) => Constraints?.EncryptionContextSubset?.["aws:ecr:arn"] === arnOf(name));
    const grants = mine(await grantsOf(id), "app-a");
    expect(grants).toHaveLength(2);
    for (const grant of grants) {
      expect(grant).toMatchObject({
        GranteePrincipal: service,
        RetiringPrincipal: service,
        Operations: ["GenerateDataKey", "Decrypt"],
        IssuingAccount: expect.stringContaining(account),
      });
    }
    await berth.ecr.send(new DeleteRepositoryCommand({ repositoryName: "app-a" }));
    expect([mine(await grantsOf(id), "app-a").length, mine(await grantsOf(id), "app-b").length]).toEqual([0, 2]);
  });

  test("has the registry's own where none is named, which is made by the first", async () => {
    const aliases = async () =>
      (await berth.kms.send(new ListAliasesCommand({}))).Aliases?.map(({ AliasName }) => AliasName);
    expect(await aliases()).toEqual([]);
    const made = await create("app-a", "KMS");
    const kmsKey = made?.encryptionConfiguration?.kmsKey;
    expect(await create("app-b", "KMS", "alias/aws/ecr")).toMatchObject({ encryptionConfiguration: { kmsKey } });
    expect(await aliases()).toEqual(["alias/aws/ecr"]);
    const { KeyMetadata } = await berth.kms.send(new DescribeKeyCommand({ KeyId: kmsKey }));
    expect(KeyMetadata).toMatchObject({ KeyManager: "AWS", Arn: kmsKey });
    expect(await berth.pushImage("app-a", "content", "v1")).toStartWith("sha256:");
  });

  test("has the registry's own also when another process has made that a moment ago", async () => {
    const registry = { account: account as never, region: "us-east-1" as never };
    const name = "alias/aws/ecr" as never;
    expect(await berth.keyring.resolve(registry, name)).toEndWith(":alias/aws/ecr");
    const { id, arn } = await newKey(berth);
    await berth.keyring.resolve(registry, name);
    const at = new Date();
    await berth.metadata.transact(({ keyAliases }) =>
      keyAliases.create({ registry, name, keyId: id as never, createdAt: at, updatedAt: at }),
    );
    expect(await create("app", "KMS")).toMatchObject({ encryptionConfiguration: { kmsKey: arn } });
  });

  test("is not made with a key that cannot be used, and leaves no grant behind", async () => {
    const { id, arn } = await newKey(berth);
    const ghost = "11111111-2222-4333-8444-555555555555";
    expect(await thrown(create("app-a", "KMS", ghost))).toEqual(
      kms("NotFoundException", `Key 'arn:aws:kms:us-east-1:${account}:key/${ghost}' does not exist`),
    );
    expect(await thrown(create("app-a", "KMS", "alias/none"))).toEqual(
      kms("NotFoundException", `Alias arn:aws:kms:us-east-1:${account}:alias/none is not found.`),
    );
    const elsewhere = await berth.kmsIn("eu-west-1").send(new CreateKeyCommand({}));
    expect(await thrown(create("app-a", "KMS", elsewhere.KeyMetadata?.Arn))).toEqual(
      kms("NotFoundException", "Invalid arn eu-west-1"),
    );
    expect(await thrown(create("app-a", "KMS", "arn:aws:s3:::bucket"))).toEqual(kms("InvalidArnException"));
    await berth.kms.send(new DisableKeyCommand({ KeyId: id }));
    expect(await thrown(create("app-a", "KMS", id))).toEqual(kms("DisabledException", `${arn} is disabled.`));
    await berth.kms.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: 7 }));
    expect(await thrown(create("app-a", "KMS_DSSE", id))).toEqual(
      kms("KMSInvalidStateException", `${arn} is pending deletion.`),
    );
    await berth.kms.send(new CancelKeyDeletionCommand({ KeyId: id }));
    await berth.kms.send(new EnableKeyCommand({ KeyId: id }));
    await create("app-a", "KMS", id);
    expect(await failure(create("app-a", "KMS", id))).toStartWith("RepositoryAlreadyExistsException");
    expect(await grantsOf(id)).toHaveLength(2);
  });
});

describe("whoever makes one", () => {
  const ecrOnly = { Effect: "Allow", Action: "ecr:*", Resource: "*" };

  test("needs to describe the key and to make grants of it, and to retire them when it goes", async () => {
    const { id } = await newKey(berth);
    const maker = await person(berth, "maker", statement(ecrOnly));
    for (const [Action, missing] of [
      [["kms:CreateGrant"], "kms:DescribeKey"],
      [["kms:DescribeKey"], "kms:CreateGrant"],
    ] as const) {
      const some = await person(
        berth,
        missing.slice(4),
        statement(ecrOnly, { Effect: "Allow", Action, Resource: "*" }),
      );
      expect(await thrown(create("app-a", "KMS", id, some))).toEqual(
        kms(
          "AccessDeniedException",
          expect.stringContaining(`is not authorized to perform: ${missing} on resource: arn:aws:kms`),
        ),
      );
    }
    const both = { Effect: "Allow", Action: ["kms:DescribeKey", "kms:CreateGrant"], Resource: "*" };
    const able = await person(berth, "able", statement(ecrOnly, both));
    expect(await create("app-a", "KMS", id, able)).toMatchObject({ repositoryName: "app-a" });
    // It goes all the same, and leaves grants for what is not there.
    await able.ecr.send(new DeleteRepositoryCommand({ repositoryName: "app-a" }));
    expect(await grantsOf(id)).toHaveLength(2);
    await create("app-b", "KMS", id, able);
    const all = await person(berth, "all", statement(ecrOnly, { ...both, Action: "kms:RetireGrant" }));
    await all.ecr.send(new DeleteRepositoryCommand({ repositoryName: "app-b" }));
    expect(await grantsOf(id)).toHaveLength(2);
    // Nothing of it is needed for a key that the registry has of its own.
    expect(await create("app-c", "KMS", undefined, maker)).toMatchObject({ repositoryName: "app-c" });
  });

  test("may be let in for this alone: through ECR, from this account, for its grants", async () => {
    const condition = {
      StringEquals: { "kms:ViaService": service, "kms:CallerAccount": account },
      Bool: { "kms:GrantIsForAWSResource": "true", "aws:ViaAWSService": "true" },
    };
    const described = { Effect: "Allow", Action: ["kms:DescribeKey", "kms:CreateGrant"], Resource: "*" };
    const limited = { ...described, Action: "kms:CreateGrant", Condition: condition };
    const maker = await person(
      berth,
      "maker",
      statement(ecrOnly, limited, { ...described, Action: "kms:DescribeKey" }),
    );
    const { id } = await newKey(berth);
    await create("app-a", "KMS", id, maker);
    const grant = { KeyId: id, GranteePrincipal: maker.arn, Operations: ["Decrypt" as const] };
    expect(await failure(maker.kms.send(new CreateGrantCommand(grant)))).toStartWith("AccessDeniedException");
  });

  test("and may by right of a grant alone gives the registry no more than that grant allows", async () => {
    const { id, arn } = await newKey(berth);
    const maker = await person(berth, "maker", statement(ecrOnly));
    const grant = async (...Operations: ("CreateGrant" | "DescribeKey" | "Decrypt" | "GenerateDataKey")[]) =>
      berth.kms.send(new CreateGrantCommand({ KeyId: id, GranteePrincipal: maker.arn, Operations }));
    const { GrantId } = await grant("CreateGrant", "DescribeKey", "Decrypt");
    expect(await thrown(create("app-a", "KMS", id, maker))).toEqual(
      kms(
        "AccessDeniedException",
        `User: ${maker.arn} is not authorized to perform: kms:CreateGrant on resource: ${arn} because the grant that allows it does not allow all that the new grant would`,
      ),
    );
    await berth.kms.send(new RevokeGrantCommand({ KeyId: id, GrantId }));
    await grant("CreateGrant", "DescribeKey", "Decrypt", "GenerateDataKey");
    expect(await create("app-a", "KMS", id, maker)).toMatchObject({ repositoryName: "app-a" });
  });
});

test("a key of another account seals a repository where its policy lets the account in", async () => {
  const other = "444455556666";
  const { rootKey } = await berth.accounts.create({ name: "other", id: other as never });
  const theirs = berth.kmsAs({ accessKeyId: rootKey.accessKeyId, secretAccessKey: rootKey.secret });
  const Policy = statement(
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${other}:root` }, Action: "kms:*", Resource: "*" },
    { Effect: "Allow", Principal: root, Action: ["kms:DescribeKey", "kms:CreateGrant"], Resource: "*" },
  );
  const open = await theirs.send(new CreateKeyCommand({ Policy }));
  const closed = await theirs.send(new CreateKeyCommand({}));
  expect(await thrown(create("app-a", "KMS", closed.KeyMetadata?.Arn))).toEqual(kms("AccessDeniedException"));
  const kmsKey = open.KeyMetadata?.Arn;
  expect(await create("app-a", "KMS", kmsKey)).toMatchObject({ encryptionConfiguration: { kmsKey } });
  const get = new BatchGetImageCommand({ repositoryName: "app-a", imageIds: [{ imageTag: "v1" }] });
  await berth.pushImage("app-a", "theirs", "v1");
  expect((await berth.ecr.send(get)).failures).toEqual([]);
  // It stays theirs to switch off.
  await theirs.send(new DisableKeyCommand({ KeyId: kmsKey }));
  expect((await berth.ecr.send(get)).failures).toMatchObject([{ failureCode: "KmsError" }]);
});

test("an alias of another account is no alias of one's own, and whether it is there is told to nobody", async () => {
  const { rootKey } = await berth.accounts.create({ name: "other", id: "444455556666" as never });
  const keys = { accessKeyId: rootKey.accessKeyId, secretAccessKey: rootKey.secret };
  const theirs = { ecr: berth.ecrAs(keys), kms: berth.kmsAs(keys) };
  const AliasName = "alias/shared";
  for (const { kms } of [berth, theirs]) {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyMetadata?.KeyId }));
  }
  for (const alias of [AliasName, "alias/none"]) {
    const arn = `arn:aws:kms:us-east-1:${account}:${alias}`;
    expect(await thrown(create("app", "KMS", arn, theirs))).toEqual(kms("AccessDeniedException"));
  }
  expect(await create("app", "KMS", AliasName, theirs)).toMatchObject({ repositoryName: "app" });
});

describe("a key that does not let the registry in", () => {
  const content = "layer";

  /** What of the repository works, and what is said of what does not. */
  async function state(repositoryName: string): Promise<string> {
    const { ecr } = berth;
    const digest = digestOf(content);
    const inRepository = { repositoryName };
    const said = new Set<string>();
    const attempt = async (work: () => Promise<unknown>) => {
      const error = (await thrown(work())) as { name: string; kmsError?: string } | undefined;
      said.add(error ? `${error.name} ${error.kmsError}` : "works");
    };
    const got = await ecr.send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
    said.add(got.failures?.[0] ? `${got.failures[0].failureCode}` : "works");
    await attempt(() => ecr.send(new InitiateLayerUploadCommand(inRepository)));
    await attempt(() =>
      ecr.send(
        new PutImageCommand({ repositoryName, imageManifest: manifestOf(content), imageTag: crypto.randomUUID() }),
      ),
    );
    const uploadId = uploads.get(repositoryName);
    const part = { repositoryName, uploadId, partFirstByte: 0, partLastByte: 0, layerPartBlob: bytesOf("x") };
    if (!(said.size === 1 && said.has("works"))) {
      await attempt(() => ecr.send(new UploadLayerPartCommand(part)));
      await attempt(() =>
        ecr.send(
          new CompleteLayerUploadCommand({
            repositoryName,
            uploadId: started.get(repositoryName),
            layerDigests: [digestOf("y")],
          }),
        ),
      );
    }
    // What tells nothing of the content goes on.
    await ecr.send(new DescribeImagesCommand(inRepository));
    const { layers } = await ecr.send(
      new BatchCheckLayerAvailabilityCommand({ repositoryName, layerDigests: [digest] }),
    );
    expect(layers).toMatchObject([{ layerAvailability: "AVAILABLE" }]);
    await ecr.send(new GetDownloadUrlForLayerCommand({ repositoryName, layerDigest: digest }));
    return [...said].join(", ");
  }
  /** Uploads that began before: one without, one with a part. */
  const uploads = new Map<string, string | undefined>();
  const started = new Map<string, string | undefined>();

  async function repository(repositoryName: string, type: EncryptionType, key?: string) {
    await create(repositoryName, type, key);
    await berth.pushImage(repositoryName, content, "v1");
    const begin = new InitiateLayerUploadCommand({ repositoryName });
    uploads.set(repositoryName, (await berth.ecr.send(begin)).uploadId);
    const { uploadId } = await berth.ecr.send(begin);
    started.set(repositoryName, uploadId);
    const part = { repositoryName, uploadId, partFirstByte: 0, partLastByte: 0, layerPartBlob: bytesOf("y") };
    await berth.ecr.send(new UploadLayerPartCommand(part));
  }

  test("is disabled, or about to be deleted: no push and no pull until it is back", async () => {
    const { id } = await newKey(berth);
    await repository("sealed", "KMS", id);
    await repository("twice", "KMS_DSSE", id);
    await repository("plain", "AES256");
    const states = () => Promise.all([state("sealed"), state("twice"), state("plain")]);
    const refused = (kmsError: string) => `KmsError, KmsException ${kmsError}`;
    expect(await states()).toEqual(["works", "works", "works"]);
    await berth.kms.send(new DisableKeyCommand({ KeyId: id }));
    expect(await states()).toEqual([refused("DisabledException"), refused("DisabledException"), "works"]);
    await berth.kms.send(new EnableKeyCommand({ KeyId: id }));
    expect(await states()).toEqual(["works", "works", "works"]);
    await berth.kms.send(new ScheduleKeyDeletionCommand({ KeyId: id }));
    expect((await states())[0]).toEqual(refused("KMSInvalidStateException"));
    await berth.kms.send(new CancelKeyDeletionCommand({ KeyId: id }));
    expect((await states())[0]).toEqual(refused("DisabledException"));
    await berth.kms.send(new EnableKeyCommand({ KeyId: id }));
    expect(await states()).toEqual(["works", "works", "works"]);
    await berth.metadata.transact(({ keys }) => keys.destroy(id as never));
    await Bun.sleep(600);
    expect(await states()).toEqual([refused("NotFoundException"), refused("NotFoundException"), "works"]);
  });

  test("has its grants revoked: this repository stops and no other, until somebody makes them anew", async () => {
    const { id, arn } = await newKey(berth);
    await repository("app-a", "KMS", id);
    await repository("app-b", "KMS", id);
    for (const { GrantId, Constraints } of await grantsOf(id)) {
      if (Constraints?.EncryptionContextSubset?.["aws:ecr:arn"] !== arnOf("app-a")) continue;
      await berth.kms.send(new RevokeGrantCommand({ KeyId: id, GrantId }));
    }
    expect(await state("app-a")).toBe("KmsError, KmsException AccessDeniedException");
    expect(await state("app-b")).toBe("works");
    const get = new BatchGetImageCommand({ repositoryName: "app-a", imageIds: [{ imageTag: "v1" }] });
    expect((await berth.ecr.send(get)).failures?.[0]?.failureReason).toBe(
      `User: ${service} is not authorized to perform: kms:Decrypt on resource: ${arn} because no resource-based policy allows the kms:Decrypt action`,
    );
    const anew = (name: string, ...Operations: ("Decrypt" | "GenerateDataKey")[]) =>
      berth.kms.send(
        new CreateGrantCommand({
          KeyId: id,
          GranteePrincipal: service,
          Operations,
          Constraints: { EncryptionContextSubset: { "aws:ecr:arn": arnOf(name) } },
        }),
      );
    await anew("app-b", "Decrypt", "GenerateDataKey");
    expect(await state("app-a")).toBe("KmsError, KmsException AccessDeniedException");
    await anew("app-a", "Decrypt");
    expect(await state("app-a")).toBe("works, KmsException AccessDeniedException");
    await anew("app-a", "GenerateDataKey");
    expect(await state("app-a")).toBe("works");
  });

  test("is let in by nothing that is nearly a grant for this repository", async () => {
    const { id: KeyId } = await newKey(berth);
    await repository("app/x", "KMS", KeyId);
    for (const { GrantId } of await grantsOf(KeyId)) await berth.kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
    const Operations = ["Decrypt", "GenerateDataKey"] as const;
    const grant = (GranteePrincipal: string, name: string) => {
      const Constraints = { EncryptionContextSubset: { "aws:ecr:arn": arnOf(name) } };
      return berth.kms.send(
        new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: [...Operations], Constraints }),
      );
    };
    for (const name of ["*", "app", "app/*", "app/?", "app/x/", "APP/X"]) await grant(service, name);
    for (const other of ["ecr.eu-west-1.amazonaws.com", "ecr.amazonaws.com"]) await grant(other, "app/x");
    expect(await state("app/x")).toBe("KmsError, KmsException AccessDeniedException");
    await grant(service, "app/x");
    expect(await state("app/x")).toBe("works");
  });

  test("says so in its policy, whatever grants say", async () => {
    const { id } = await newKey(berth);
    await repository("app-a", "KMS", id);
    const everything = { Effect: "Allow", Principal: root, Action: "kms:*", Resource: "*" };
    const never = { Effect: "Deny", Principal: { Service: service }, Action: "kms:Decrypt", Resource: "*" };
    await berth.kms.send(new PutKeyPolicyCommand({ KeyId: id, Policy: statement(everything, never) }));
    expect(await state("app-a")).toBe("KmsError, works");
  });
});
