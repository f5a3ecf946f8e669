import { describe, expect, test } from "bun:test";
import type { PolicyKind } from "../../policy/document.ts";
import type { Principal } from "../access.ts";
import type { AccountId } from "../names.ts";
import type { Happening } from "./happening.ts";
import { eventIdAt, recordsOf, timeOfEventId } from "./record.ts";
import { hidden, shown } from "./shown.ts";
import { ci, happened, home } from "./testing.ts";

const records = (facts: Partial<Happening> = {}) => recordsOf(happened(facts)).map(({ record }) => JSON.parse(record));
const identityOf = (principal: Principal, accessKeyId?: string) =>
  records({ who: { principal, accessKeyId } })[0].userIdentity;

describe("a record", () => {
  test("has CloudTrail's members, and says what decided", () => {
    const [written] = recordsOf(happened());
    expect(written).toMatchObject({ ...home, at: new Date(Date.UTC(2026, 2, 1, 12, 0, 0, 500)) });
    const record = JSON.parse(written?.record ?? "");
    expect(record).toEqual({
      eventVersion: "1.11",
      userIdentity: {
        type: "IAMUser",
        principalId: "AIDACIEXAMPLE",
        arn: "arn:aws:iam::111122223333:user/team/ci",
        accountId: "111122223333",
        accessKeyId: "AKIACIEXAMPLE",
        userName: "ci",
      },
      eventTime: "2026-03-01T12:00:00Z",
      eventSource: "ecr.amazonaws.com",
      eventName: "BatchGetImage",
      awsRegion: "eu-west-1",
      sourceIPAddress: "10.0.0.1",
      userAgent: "docker/27",
      requestParameters: null,
      responseElements: null,
      additionalEventData: {
        authenticationMethod: "AuthHeader",
        authorization: [
          {
            action: "ecr:BatchGetImage",
            resource: "arn:aws:ecr:eu-west-1:111122223333:repository/app/web",
            decision: "allowed",
            because: "because an identity-based policy allows the ecr:BatchGetImage action",
            statement: { policyType: "identity", policy: "pull", sid: "Pull", index: 2 },
          },
        ],
      },
      requestID: "request",
      readOnly: true,
      resources: [
        {
          ARN: "arn:aws:ecr:eu-west-1:111122223333:repository/app/web",
          accountId: "111122223333",
          type: "AWS::ECR::Repository",
        },
      ],
      eventType: "AwsApiCall",
      managementEvent: true,
      eventCategory: "Management",
      eventID: record.eventID,
      recipientAccountId: "111122223333",
    });
    expect(timeOfEventId(record.eventID)).toBe(written?.at.getTime());
  });

  test("of a refusal names the statement that denied, and no decision that came to nothing", () => {
    const resource = `arn:aws:ecr:eu-west-1:${home.account}:repository/app/web`;
    const denial = {
      principal: ci.arn,
      action: "ecr:BatchGetImage",
      resource,
      because: "with an explicit deny in a resource-based policy",
      statement: { policy: { kind: "repository", name: resource }, index: 0 } as const,
    };
    const [record] = records({ failure: { code: "AccessDenied", message: "User: … is not authorized", denial } });
    expect(record).toMatchObject({ errorCode: "AccessDenied", errorMessage: "User: … is not authorized" });
    expect(record.additionalEventData.authorization).toEqual([
      {
        action: "ecr:BatchGetImage",
        resource,
        decision: "denied",
        because: "with an explicit deny in a resource-based policy",
        statement: { policyType: "repository", policy: resource, index: 0 },
      },
    ]);
  });

  test("of another account's content is in both trails, tied together", () => {
    const both = records({ account: "999988887777" as AccountId });
    expect(both.map(({ recipientAccountId }) => recipientAccountId)).toEqual([home.account, "999988887777"]);
    expect(both[0].sharedEventID).toBe(both[1].sharedEventID);
    expect(both[0].eventID).not.toBe(both[1].eventID);
    expect(records()[0].sharedEventID).toBeUndefined();
  });

  test("of another account's content names a policy only to whose policy it is", () => {
    const owner = "999988887777" as AccountId;
    const named = (kind: PolicyKind) => {
      const statement = { policy: { kind, name: "policy" }, sid: "S", index: 0 };
      const both = records({ account: owner, decisions: [{ allowed: true, because: "because", statement }] });
      return both
        .filter(({ additionalEventData: { authorization } }) => authorization[0].statement !== undefined)
        .map(({ recipientAccountId }) => recipientAccountId);
    };
    for (const kind of ["repository", "registry", "trust", "resource-control"] as const)
      expect(named(kind)).toEqual([owner]);
    for (const kind of ["identity", "boundary", "session", "service-control"] as const)
      expect(named(kind)).toEqual([home.account]);
  });

  test("cuts what a client can make long, and stays well-formed", () => {
    const userAgent = `${"a".repeat(999)}😀`;
    const [record] = records({ arrival: { ...happened().arrival, userAgent } });
    expect(record.userAgent).toBe(`${"a".repeat(999)}\uFFFD`);
  });

  test("an id is found by the time that it says", () => {
    const ids = new Set(Array.from({ length: 1000 }, () => eventIdAt(1_700_000_000_123)));
    expect(ids.size).toBe(1000);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(timeOfEventId(id)).toBe(1_700_000_000_123);
    }
    expect(timeOfEventId("8c5e3c9e-1111-4222-8333-444455556666")).toBeUndefined();
  });
});

describe("who it was", () => {
  const issuedAt = Date.UTC(2026, 2, 1, 11);
  const attributes = { creationDate: "2026-03-01T11:00:00Z", mfaAuthenticated: "false" };

  test("the root user, with a key or a session", () => {
    const root: Principal = { ...ci, kind: "root", arn: "arn:aws:iam::111122223333:root", userId: home.account };
    const identity = { type: "Root", principalId: home.account, arn: root.arn, accountId: home.account };
    expect(identityOf(root, "AKIAROOT")).toEqual({ ...identity, accessKeyId: "AKIAROOT" });
    expect(identityOf({ ...root, session: { issuedAt } }, "ASIAROOT")).toEqual({
      ...identity,
      accessKeyId: "ASIAROOT",
      sessionContext: { attributes },
    });
  });

  test("a role's session, with the role behind it and who vouched for it", () => {
    const role: Principal = {
      kind: "role",
      account: home.account,
      arn: "arn:aws:sts::111122223333:assumed-role/deploy/run-7",
      userId: "AROADEPLOY:run-7",
      identityId: "AROADEPLOY",
      identityArn: "arn:aws:iam::111122223333:role/ops/deploy",
      session: { issuedAt, name: "run-7", sourceIdentity: "ann" },
    };
    const sessionIssuer = {
      type: "Role",
      principalId: "AROADEPLOY",
      arn: role.identityArn,
      accountId: home.account,
      userName: "deploy",
    };
    expect(identityOf(role, "ASIADEPLOY")).toEqual({
      type: "AssumedRole",
      principalId: "AROADEPLOY:run-7",
      arn: role.arn,
      accountId: home.account,
      accessKeyId: "ASIADEPLOY",
      sessionContext: { sessionIssuer, attributes, sourceIdentity: "ann" },
    });
    const provider = "arn:aws:iam::111122223333:oidc-provider/token.example.com";
    const claims = { "token.example.com:sub": "repo:a/b" };
    const federated = identityOf({ ...role, session: { issuedAt, name: "run-7", provider, claims } });
    expect(federated.sessionContext.webIdFederationData).toEqual({ federatedProvider: provider, attributes: claims });
  });

  test("a federated user, a web identity, somebody without a name, and somebody who only claims one", () => {
    const federated: Principal = {
      ...ci,
      kind: "federated",
      arn: "arn:aws:sts::111122223333:federated-user/bob",
      userId: "111122223333:bob",
      identityArn: ci.arn,
      session: { issuedAt, name: "bob" },
    };
    expect(identityOf(federated)).toMatchObject({
      type: "FederatedUser",
      principalId: "111122223333:bob",
      sessionContext: { sessionIssuer: { type: "IAMUser", principalId: "AIDACIEXAMPLE", userName: "ci" } },
    });
    const provider = "arn:aws:iam::111122223333:oidc-provider/token.example.com";
    const claims = { "token.example.com:sub": "repo:a/b", "token.example.com:aud": "berth" };
    const web: Principal = {
      kind: "web-identity",
      account: "" as AccountId,
      arn: "",
      userId: `${provider}:berth:repo:a/b`,
      session: { issuedAt, provider, claims },
    };
    expect(identityOf(web)).toEqual({
      type: "WebIdentityUser",
      principalId: web.userId,
      userName: "repo:a/b",
      identityProvider: provider,
    });
    // Nobody has an account here, so only the one that was asked has a record.
    expect(records({ who: { principal: web } })).toHaveLength(1);
    const nobody = { type: "AWSAccount", principalId: "", accountId: "ANONYMOUS_PRINCIPAL" };
    expect(records({ who: { claimed: undefined } })[0].userIdentity).toEqual(nobody);
    const claimed = { accessKeyId: "AKIACIEXAMPLE", account: home.account };
    expect(records({ who: { claimed } })[0].userIdentity).toEqual({
      type: "Unknown",
      principalId: "",
      accountId: home.account,
      accessKeyId: "AKIACIEXAMPLE",
    });
  });
});

describe("what is shown of inputs and outputs", () => {
  test("names begin small, secrets are hidden, content and page tokens are left out", () => {
    const AccessKey = {
      UserName: "ci",
      AccessKeyId: "AKIA",
      SecretAccessKey: "s3cret",
      CreateDate: new Date(Date.UTC(2026, 0, 1)),
    };
    expect(shown({ AccessKey })).toEqual({
      accessKey: {
        userName: "ci",
        accessKeyId: "AKIA",
        secretAccessKey: hidden,
        createDate: "2026-01-01T00:00:00.000Z",
      },
    });
    const input = {
      WebIdentityToken: "ey…",
      SAMLAssertion: "PHNhb…",
      NewPassword: "x",
      nextToken: "page",
      Marker: "page",
      imageManifest: "{}",
      layerPartBlob: Uint8Array.of(1, 2),
      Tags: [{ Key: "team", Value: "red" }],
      force: false,
      maxResults: 5,
      nothing: undefined,
    };
    expect(shown(input)).toEqual({
      webIdentityToken: hidden,
      sAMLAssertion: hidden,
      newPassword: hidden,
      tags: [{ key: "team", value: "red" }],
      force: false,
      maxResults: 5,
    });
  });

  test("is bounded in every direction", () => {
    let deep: unknown = "bottom";
    for (let depth = 0; depth < 10_000; depth++) deep = { deep };
    const wide = Array.from({ length: 100_000 }, (_, index) => ({ [`member${index}`]: index }));
    const long = "x".repeat(1_000_000);
    const manyLong = Array.from({ length: 100 }, () => "y".repeat(10_000));
    for (const value of [{ deep }, { wide }, { long }, { manyLong }]) {
      expect(JSON.stringify(shown(value)).length).toBeLessThan(40_000);
    }
    expect(shown({ long })).toEqual({ long: `${"x".repeat(10_240)}…` });
  });
});
