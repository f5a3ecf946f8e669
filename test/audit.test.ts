import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LookupEventsCommand, type LookupEventsCommandInput, paginateLookupEvents } from "@aws-sdk/client-cloudtrail";
import {
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  GetAuthorizationTokenCommand,
  GetDownloadUrlForLayerCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  PutUserPolicyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand, GetCallerIdentityCommand, GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { type AuditRecord, account, basic, type InProcess, inProcess, keyPair, region } from "./support/berth.ts";

const repositoryArn = (name: string) => `arn:aws:ecr:${region}:${account}:repository/${name}`;

test("what cannot be put on record is not answered", async () => {
  const data = mkdtempSync(join(tmpdir(), "berth-no-audit-"));
  const berth = await inProcess({ data, audit: { queueLimit: 3, patienceMs: 200 } });
  const database = new Database(join(data, "berth.sqlite"));
  database.run("alter table audit_pack rename to audit_pack_away");
  const create = berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await expect(create).rejects.toMatchObject({ name: "ServerException" });
  const asked: number[] = [];
  for (let count = 0; count < 4; count++) asked.push((await berth.oci("GET", "/v2/app/tags/list")).status);
  // The record of the change is one of the three that wait.
  expect(asked).toEqual([200, 200, 500, 500]);
  const denied = await berth.send("DELETE", "/v2/app/manifests/v1", {
    headers: { authorization: basic("AKIAUNKNOWNUNKNOWN12", "x") },
  });
  expect(denied.status).toBe(500);

  // Nothing that was kept is lost.
  database.run("alter table audit_pack_away rename to audit_pack");
  database.close();
  const records = await berth.records();
  expect(records.map(({ eventName }) => eventName)).toEqual(["CreateRepository", "ListImages", "ListImages"]);
  await berth.close();
  rmSync(data, { recursive: true });
});

describe("the audit trail", () => {
  let berth: InProcess;
  beforeAll(async () => {
    berth = await inProcess();
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  });
  afterAll(() => berth.close());

  /** What `work` put on record. */
  async function recordsOf(work: () => Promise<unknown>) {
    const before = (await berth.records()).length;
    await work();
    return (await berth.records()).slice(before);
  }

  test("an API call that changes something has a record in CloudTrail's form", async () => {
    const [record] = await recordsOf(() =>
      berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "web", tags: [{ Key: "team", Value: "red" }] })),
    );
    expect(record).toMatchObject({
      eventVersion: "1.11",
      userIdentity: {
        type: "Root",
        principalId: account,
        arn: `arn:aws:iam::${account}:root`,
        accountId: account,
        accessKeyId: keyPair.accessKeyId,
      },
      eventSource: "ecr.amazonaws.com",
      eventName: "CreateRepository",
      awsRegion: region,
      sourceIPAddress: "127.0.0.1",
      requestParameters: { repositoryName: "web", tags: [{ key: "team", value: "red" }] },
      responseElements: {
        repository: { repositoryArn: repositoryArn("web"), repositoryName: "web", registryId: account },
      },
      readOnly: false,
      resources: [{ ARN: repositoryArn("web"), accountId: account, type: "AWS::ECR::Repository" }],
      eventType: "AwsApiCall",
      managementEvent: true,
      recipientAccountId: account,
      eventCategory: "Management",
    });
    expect(record?.eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(record?.additionalEventData.authorization[0]).toMatchObject({
      action: "ecr:CreateRepository",
      decision: "allowed",
    });
  });

  test("pushes, pulls and deletes over HTTP are on record under the names of the API", async () => {
    let digest = "";
    const pushed = await recordsOf(async () => {
      digest = (await berth.pushImage("app", "v1", "layer of v1")).digest;
    });
    expect(pushed.map(({ eventName }) => eventName)).toEqual([
      "CompleteLayerUpload",
      "CompleteLayerUpload",
      "PutImage",
    ]);
    expect(pushed[2]).toMatchObject({
      requestParameters: { registryId: account, repositoryName: "app", imageTag: "v1" },
      responseElements: { image: { repositoryName: "app", imageId: { imageDigest: digest, imageTag: "v1" } } },
      additionalEventData: { authenticationMethod: "AccessKey", route: "PUT /v2/app/manifests/v1" },
    });
    const pulled = await recordsOf(async () => {
      await berth.oci("HEAD", "/v2/app/manifests/v1");
      await berth.oci("GET", "/v2/app/manifests/v1");
      await berth.oci("GET", `/v2/app/blobs/${pushed[0]?.requestParameters.layerDigests[0]}`);
      await berth.oci("HEAD", `/v2/app/blobs/${pushed[0]?.requestParameters.layerDigests[0]}`);
      await berth.oci("GET", "/v2/app/tags/list");
    });
    expect(pulled.map(({ eventName }) => eventName)).toEqual([
      "BatchGetImage",
      "BatchGetImage",
      "GetDownloadUrlForLayer",
      "BatchCheckLayerAvailability",
      "ListImages",
    ]);
    expect(pulled[1]).toMatchObject({
      readOnly: true,
      requestParameters: { repositoryName: "app", imageIds: [{ imageTag: "v1" }] },
      responseElements: null,
      additionalEventData: {
        imageDigest: digest,
        authorization: [{ action: "ecr:BatchGetImage", decision: "allowed" }],
      },
      resources: [{ ARN: repositoryArn("app") }],
    });
    const [deleted] = await recordsOf(() => berth.oci("DELETE", `/v2/app/manifests/${digest}`));
    expect(deleted).toMatchObject({ eventName: "BatchDeleteImage", readOnly: false });
  });

  test("what is refused is on record, with the reason", async () => {
    const [missing] = await recordsOf(() => berth.oci("GET", "/v2/app/manifests/none"));
    expect(missing).toMatchObject({ eventName: "BatchGetImage", errorCode: "MANIFEST_UNKNOWN" });
    const [wrong] = await recordsOf(() =>
      berth.send("GET", "/v2/app/manifests/v1", {
        headers: { authorization: basic(keyPair.accessKeyId, "not the secret") },
      }),
    );
    expect(wrong).toMatchObject({
      eventName: "BatchGetImage",
      userIdentity: { type: "Unknown", accountId: account, accessKeyId: keyPair.accessKeyId },
      errorCode: "UNAUTHORIZED",
      additionalEventData: { route: "GET /v2/app/manifests/v1" },
    });
    const credentials = { ...keyPair, secretAccessKey: "not the secret" };
    const [unsigned] = await recordsOf(() =>
      berth
        .ecr({ credentials })
        .send(new DescribeRepositoriesCommand({}))
        .catch(() => {}),
    );
    expect(unsigned).toMatchObject({
      eventName: "DescribeRepositories",
      userIdentity: { type: "Unknown", accountId: account, accessKeyId: keyPair.accessKeyId },
      errorCode: "InvalidSignatureException",
    });
    const [anonymous] = await recordsOf(() => berth.send("GET", "/v2/app/manifests/v1"));
    expect(anonymous).toMatchObject({ userIdentity: { accountId: "ANONYMOUS_PRINCIPAL" }, errorCode: "UNAUTHORIZED" });
  });

  test("asking how to sign in, and what is no request for anything, leave no record", async () => {
    const records = await recordsOf(async () => {
      await berth.send("GET", "/v2/");
      await berth.oci("GET", "/v2/");
      await berth.send("GET", "/v2/nothing");
      await berth.send("POST", "/", { headers: { "x-amz-target": "Nothing.Nothing" } });
    });
    expect(records).toEqual([]);
  });

  test("a password that stands where the key id should is not kept", async () => {
    const headers = { authorization: basic("hunter2-in-the-wrong-field", "x") };
    const [record] = await recordsOf(() => berth.send("GET", "/v2/app/manifests/v1", { headers }));
    expect(JSON.stringify(record)).not.toContain("hunter2");
  });

  test("no secret, token or content is in any record", async () => {
    const secrets: string[] = [keyPair.secretAccessKey];
    const records = await recordsOf(async () => {
      const { Credentials } = await berth.sts().send(new GetSessionTokenCommand({}));
      secrets.push(Credentials?.SecretAccessKey ?? "", Credentials?.SessionToken ?? "");
      const session = {
        accessKeyId: Credentials?.AccessKeyId,
        secretAccessKey: Credentials?.SecretAccessKey,
        sessionToken: Credentials?.SessionToken,
      };
      await berth.sts({ credentials: session }).send(new GetCallerIdentityCommand({}));
      const { authorizationData = [] } = await berth
        .ecr({ credentials: session })
        .send(new GetAuthorizationTokenCommand({}));
      const token = authorizationData[0]?.authorizationToken ?? "";
      const password = atob(token).slice("AWS:".length);
      secrets.push(token, password);
      const { manifest } = await berth.pushImage("app", "secret", "the content of a layer");
      secrets.push("the content of a layer", manifest);
      const authorization = basic("AWS", password);
      await berth.oci("GET", "/v2/app/manifests/secret", { headers: { authorization } });
      const layerDigest = JSON.parse(manifest).layers[0].digest;
      const { downloadUrl = "" } = await berth
        .ecr()
        .send(new GetDownloadUrlForLayerCommand({ repositoryName: "app", layerDigest }));
      const { pathname, search, searchParams } = new URL(downloadUrl);
      secrets.push(...searchParams.values());
      expect((await berth.send("GET", `${pathname}${search}`)).status).toBe(200);
      const policyText = JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }],
      });
      await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: "app", policyText }));
    });
    const text = JSON.stringify(records);
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(5);
      expect(text).not.toContain(secret);
      expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
    // And yet it says what was done.
    const byName = (name: string) => records.filter(({ eventName }) => eventName === name);
    expect(byName("GetSessionToken")[0]?.responseElements.credentials).toMatchObject({
      accessKeyId: expect.stringMatching(/^ASIA/),
      secretAccessKey: "HIDDEN_DUE_TO_SECURITY_REASONS",
    });
    expect(byName("BatchGetImage")[0]?.additionalEventData.authenticationMethod).toBe("AuthorizationToken");
    expect(byName("GetDownloadUrlForLayer")[1]?.additionalEventData.authenticationMethod).toBe("DownloadUrl");
    expect(byName("SetRepositoryPolicy")[0]?.requestParameters.policyText).toContain("BatchGetImage");
    expect(byName("GetAuthorizationToken")[0]?.userIdentity).toMatchObject({
      type: "Root",
      accessKeyId: expect.stringMatching(/^ASIA/),
    });
  });

  test("IAM and STS leave no secret behind, and say which key and which session were made", async () => {
    const iam = berth.iam();
    const secrets: string[] = [];
    const records = await recordsOf(async () => {
      await iam.send(new CreateUserCommand({ UserName: "ci", Path: "/team/" }));
      const policy = {
        Version: "2012-10-17",
        Statement: { Sid: "Pull", Effect: "Allow", Action: "ecr:BatchGet*", Resource: "*" },
      };
      const PolicyDocument = JSON.stringify(policy);
      await iam.send(new PutUserPolicyCommand({ UserName: "ci", PolicyName: "pull", PolicyDocument }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: "ci" }));
      const key = { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
      const trust = {
        Version: "2012-10-17",
        Statement: { Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" },
      };
      await iam.send(new CreateRoleCommand({ RoleName: "deploy", AssumeRolePolicyDocument: JSON.stringify(trust) }));
      const assume = { Version: "2012-10-17", Statement: { Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" } };
      const document = { PolicyName: "assume", PolicyDocument: JSON.stringify(assume) };
      await iam.send(new PutUserPolicyCommand({ UserName: "ci", ...document }));
      const { Credentials: session } = await berth
        .sts({ credentials: key })
        .send(new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/deploy`, RoleSessionName: "run-7" }));
      secrets.push(key.secretAccessKey, session?.SecretAccessKey ?? "", session?.SessionToken ?? "");
      const asRole = {
        accessKeyId: session?.AccessKeyId ?? "",
        secretAccessKey: session?.SecretAccessKey ?? "",
        sessionToken: session?.SessionToken ?? "",
      };
      await berth
        .ecr({ credentials: asRole })
        .send(new DescribeRepositoriesCommand({}))
        .catch(() => {});
      const authorization = basic(key.accessKeyId, key.secretAccessKey);
      await berth.send("GET", "/v2/web/manifests/none", { headers: { authorization } });
      await berth.send("DELETE", "/v2/web/manifests/none", { headers: { authorization } });
    });
    const text = JSON.stringify(records);
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(20);
      expect(text).not.toContain(secret);
    }
    const byName = (name: string) => records.find(({ eventName }) => eventName === name);
    const created = byName("CreateAccessKey")?.responseElements.accessKey;
    expect(created).toMatchObject({
      userName: "ci",
      status: "Active",
      secretAccessKey: "HIDDEN_DUE_TO_SECURITY_REASONS",
    });
    expect(byName("PutUserPolicy")).toMatchObject({
      eventSource: "iam.amazonaws.com",
      requestParameters: {
        userName: "ci",
        policyName: "pull",
        policyDocument: expect.stringContaining("ecr:BatchGet*"),
      },
      resources: [{ ARN: `arn:aws:iam::${account}:user/team/ci`, type: "AWS::IAM::User" }],
    });
    const assumed = byName("AssumeRole");
    expect(assumed).toMatchObject({
      userIdentity: { type: "IAMUser", userName: "ci", accessKeyId: created.accessKeyId },
      requestParameters: { roleSessionName: "run-7" },
      resources: [{ ARN: `arn:aws:iam::${account}:role/deploy`, type: "AWS::IAM::Role" }],
    });
    // The session that was made is the one that comes next, and it was let in by nothing.
    expect(byName("DescribeRepositories")).toMatchObject({
      userIdentity: {
        type: "AssumedRole",
        accessKeyId: assumed?.responseElements.credentials.accessKeyId,
        sessionContext: {
          sessionIssuer: { type: "Role", userName: "deploy", arn: `arn:aws:iam::${account}:role/deploy` },
          attributes: { mfaAuthenticated: "false" },
        },
      },
      errorCode: "AccessDenied",
      additionalEventData: {
        authorization: [
          {
            action: "ecr:DescribeRepositories",
            decision: "denied",
            because: expect.stringContaining("no identity-based policy"),
          },
        ],
      },
    });
    // The statement that let the user in is named, and who was not let in is on record too.
    expect(byName("BatchGetImage")).toMatchObject({
      userIdentity: { userName: "ci", accessKeyId: created.accessKeyId },
      errorCode: "MANIFEST_UNKNOWN",
      additionalEventData: {
        authorization: [
          {
            action: "ecr:BatchGetImage",
            decision: "allowed",
            statement: { policyType: "identity", sid: "Pull", index: 0 },
          },
        ],
      },
    });
    expect(byName("BatchDeleteImage")).toMatchObject({ errorCode: "AccessDenied", readOnly: false });
  });

  test("a repository that a push makes has a record of its own", async () => {
    const open = await inProcess({ createOnPush: true });
    await open.pushImage("made/by-push", "v1", "layer");
    const records = await open.records();
    const made = records.filter(({ eventName }) => eventName === "CreateRepository");
    expect(made).toHaveLength(1);
    expect(made[0]).toMatchObject({
      resources: [{ ARN: repositoryArn("made/by-push") }],
      additionalEventData: { authorization: [{ action: "ecr:CreateRepository", decision: "allowed" }] },
    });
    const push = records.find(
      ({ requestID, eventName }) => requestID === made[0]?.requestID && eventName !== made[0]?.eventName,
    );
    expect(push?.userIdentity.accessKeyId).toBe(keyPair.accessKeyId);
    await open.close();
  });

  describe("LookupEvents", () => {
    const lookup = async (input: LookupEventsCommandInput = {}) => {
      await berth.records();
      return berth.cloudTrail().send(new LookupEventsCommand(input));
    };
    const by = (AttributeKey: string, AttributeValue: string) =>
      lookup({ LookupAttributes: [{ AttributeKey: AttributeKey as "EventId", AttributeValue }] });

    async function everyBy(AttributeKey: string, AttributeValue: string) {
      await berth.records();
      const input = { LookupAttributes: [{ AttributeKey: AttributeKey as "EventId", AttributeValue }] };
      const pages = await Array.fromAsync(paginateLookupEvents({ client: berth.cloudTrail() }, input));
      return pages.flatMap(({ Events = [] }) => Events);
    }

    test("answers the newest first, a page at a time", async () => {
      const all = (await berth.records()).map(({ eventID }) => eventID).reverse();
      const found: (string | undefined)[] = [];
      let NextToken: string | undefined;
      const EndTime = new Date(Date.now() + 60_000);
      do {
        const page = await lookup({ MaxResults: 7, EndTime, NextToken });
        expect(page.Events?.length).toBeLessThanOrEqual(7);
        found.push(...(page.Events ?? []).map(({ EventId }) => EventId));
        ({ NextToken } = page);
      } while (NextToken !== undefined && found.length < 1000);
      // The lookups themselves are on record too.
      expect(found.slice(-all.length)).toEqual(all);
    });

    test("finds by every attribute, and nothing else", async () => {
      const records = await berth.records();
      const create = records.find(({ requestParameters }) => requestParameters?.repositoryName === "web");
      const { Events = [] } = await by("EventId", create?.eventID);
      expect(Events).toHaveLength(1);
      expect(Events[0]).toMatchObject({
        EventId: create?.eventID,
        EventName: "CreateRepository",
        ReadOnly: "false",
        AccessKeyId: keyPair.accessKeyId,
        EventTime: new Date(create?.eventTime),
        EventSource: "ecr.amazonaws.com",
        Username: "root",
        Resources: [{ ResourceType: "AWS::ECR::Repository", ResourceName: "web" }],
        CloudTrailEvent: JSON.stringify(create),
      });
      const cases: [string, string, (record: AuditRecord) => boolean][] = [
        ["EventName", "BatchGetImage", ({ eventName }) => eventName === "BatchGetImage"],
        ["ReadOnly", "false", ({ readOnly }) => !readOnly],
        ["Username", "root", ({ userIdentity }) => userIdentity.type === "Root"],
        ["ResourceType", "AWS::ECR::Repository", ({ resources }) => resources?.[0]?.type === "AWS::ECR::Repository"],
        ["ResourceName", "web", ({ resources }) => resources?.[0]?.ARN === repositoryArn("web")],
        ["ResourceName", repositoryArn("web"), ({ resources }) => resources?.[0]?.ARN === repositoryArn("web")],
        ["EventSource", "sts.amazonaws.com", ({ eventSource }) => eventSource === "sts.amazonaws.com"],
        ["AccessKeyId", keyPair.accessKeyId, ({ userIdentity }) => userIdentity.accessKeyId === keyPair.accessKeyId],
      ];
      for (const [key, value, holds] of cases) {
        const found = await everyBy(key, value);
        const expected = records.filter(holds).map(({ eventID }) => eventID);
        expect(expected.length).toBeGreaterThan(0);
        const ids = found.map(({ EventId }) => EventId);
        expect(expected.filter((id) => !ids.includes(id))).toEqual([]);
        for (const { CloudTrailEvent = "" } of found) expect(holds(JSON.parse(CloudTrailEvent))).toBe(true);
      }
      expect((await by("EventName", "Nothing")).Events).toEqual([]);
      expect((await by("EventId", "nothing")).Events).toEqual([]);
    });

    test("keeps to the range of times, and to the region", async () => {
      const future = new Date(Date.now() + 3_600_000);
      expect((await lookup({ StartTime: future })).Events).toEqual([]);
      expect((await lookup({ EndTime: new Date(1000) })).Events).toEqual([]);
      expect((await lookup({ StartTime: new Date(Date.now() - 60_000) })).Events?.length).toBeGreaterThan(10);
      const elsewhere = berth.cloudTrail({ region: "eu-west-1" });
      expect((await elsewhere.send(new LookupEventsCommand({}))).Events).toEqual([]);
    });

    test("refuses what makes no sense, as CloudTrail does", async () => {
      const EventName = { AttributeKey: "EventName", AttributeValue: "x" } as const;
      const { NextToken } = await lookup({ MaxResults: 1 });
      const cases: [LookupEventsCommandInput, string][] = [
        [{ LookupAttributes: [EventName, EventName] }, "InvalidLookupAttributesException"],
        [
          { LookupAttributes: [{ AttributeKey: "Color" as "EventId", AttributeValue: "x" }] },
          "InvalidLookupAttributesException",
        ],
        [
          { LookupAttributes: [{ ...EventName, AttributeValue: "x".repeat(2001) }] },
          "InvalidLookupAttributesException",
        ],
        [{ MaxResults: 51 }, "InvalidMaxResultsException"],
        [{ MaxResults: 0 }, "InvalidMaxResultsException"],
        [{ NextToken: "nonsense" }, "InvalidNextTokenException"],
        [{ NextToken, LookupAttributes: [EventName] }, "InvalidNextTokenException"],
        [{ StartTime: new Date(2000), EndTime: new Date(1000) }, "InvalidTimeRangeException"],
        [{ EventCategory: "other" as "insight" }, "InvalidEventCategoryException"],
      ];
      for (const [input, name] of cases) await expect(lookup(input)).rejects.toMatchObject({ name });
      expect((await lookup({ EventCategory: "insight" })).Events).toEqual([]);
    });
  });
});
