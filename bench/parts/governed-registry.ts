import {
  ECRClient,
  GetAuthorizationTokenCommand,
  PutRegistryPolicyCommand,
  SetRepositoryPolicyCommand,
  TagResourceCommand,
} from "@aws-sdk/client-ecr";
import {
  AddUserToGroupCommand,
  AttachGroupPolicyCommand,
  AttachRolePolicyCommand,
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateGroupCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  IAMClient,
  PutGroupPolicyCommand,
  PutUserPolicyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { mediaTypes, RegistryClient } from "../load/registry-client.ts";
import { key } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";

const account = "000000000000";
const region = "us-east-1";
/** Nobody but the root user is asked about it. */
const plain = "plain/app";
const governed = "team/app";

/** Somebody who pulls, by the token of `docker login`. */
export interface Puller {
  readonly name: "root" | "user" | "role";
  readonly authorization: string;
  readonly manifestPath: string;
  readonly layerPath: string;
}

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const repositories = (name: string) => `arn:aws:ecr:*:${account}:repository/${name}`;
const document = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

const pullActions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const pushActions = ["ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];
const offices = ["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "2001:db8::/32"];

/** Of those who pull what belongs to their team, from where they may. */
const pull = document(
  { Sid: "Login", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
  {
    Sid: "PullOfTeam",
    Effect: "Allow",
    Action: pullActions,
    Resource: repositories("*"),
    Condition: {
      StringEquals: { "ecr:ResourceTag/team": ["web", "data", "platform"] },
      IpAddress: { "aws:SourceIp": offices },
    },
  },
);
const guard = document(
  {
    Sid: "OnlyFromHere",
    Effect: "Deny",
    Action: "*",
    Resource: "*",
    Condition: { NotIpAddress: { "aws:SourceIp": offices } },
  },
  {
    Sid: "OnlyThisRegion",
    Effect: "Deny",
    NotAction: ["iam:*", "sts:*"],
    Resource: "*",
    Condition: { StringNotEquals: { "aws:RequestedRegion": region } },
  },
  { Sid: "KeepImages", Effect: "Deny", Action: ["ecr:BatchDeleteImage", "ecr:DeleteRepository"], Resource: "*" },
);
const push = document({
  Effect: "Allow",
  Action: pushActions,
  Resource: repositories(`\${aws:PrincipalTag/team}/*`),
  Condition: { StringEquals: { "aws:ResourceTag/stage": "development" } },
});
const look = document({ Effect: "Allow", Action: ["ecr:Describe*", "ecr:List*", "ecr:Get*Policy"], Resource: "*" });
const bounds = document({
  Effect: "Allow",
  Action: ["ecr:*", "sts:GetCallerIdentity"],
  Resource: "*",
  Condition: { IpAddress: { "aws:SourceIp": offices } },
});
const ofSession = document(
  { Effect: "Allow", Action: pullActions, Resource: repositories("team/*") },
  { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
);
const partner = { AWS: "arn:aws:iam::111122223333:root" };

/** An image in a repository that has no policy and in one that has, and three who pull it. */
export async function governedRegistry({ origin, authorization = "" }: Peer): Promise<Puller[]> {
  const as = ({ accessKeyId, secretAccessKey, sessionToken }: Keys) => {
    return { endpoint: origin, region, credentials: { accessKeyId, secretAccessKey, sessionToken } };
  };
  const root: Keys = { accessKeyId: key.accessKeyId, secretAccessKey: key.secret };
  const client = new RegistryClient(origin, authorization);
  const paths = { plain: await pushImage(client, plain), governed: await pushImage(client, governed) };
  client.close();

  const iam = new IAMClient(as(root));
  const managed = async (PolicyName: string, PolicyDocument: string) => {
    const { Policy } = await iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument }));
    return Policy?.Arn ?? "";
  };
  const [pullArn, guardArn, lookArn, boundsArn] = [
    await managed("pull", pull),
    await managed("guard", guard),
    await managed("look", look),
    await managed("bounds", bounds),
  ];
  const UserName = "ci";
  const team = [{ Key: "team", Value: "web" }];
  const { User } = await iam.send(new CreateUserCommand({ UserName, Path: "/build/", Tags: team }));
  for (const PolicyArn of [pullArn, guardArn]) await iam.send(new AttachUserPolicyCommand({ UserName, PolicyArn }));
  await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: "push", PolicyDocument: push }));
  const GroupName = "developers";
  await iam.send(new CreateGroupCommand({ GroupName }));
  await iam.send(new AttachGroupPolicyCommand({ GroupName, PolicyArn: lookArn }));
  await iam.send(new PutGroupPolicyCommand({ GroupName, PolicyName: "push", PolicyDocument: push }));
  await iam.send(new AddUserToGroupCommand({ GroupName, UserName }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  const user: Keys = {
    accessKeyId: AccessKey?.AccessKeyId ?? "",
    secretAccessKey: AccessKey?.SecretAccessKey ?? "",
  };

  const RoleName = "deploy";
  const { Role } = await iam.send(
    new CreateRoleCommand({
      RoleName,
      PermissionsBoundary: boundsArn,
      AssumeRolePolicyDocument: document({
        Effect: "Allow",
        Principal: { AWS: User?.Arn },
        Action: "sts:AssumeRole",
      }),
    }),
  );
  for (const PolicyArn of [pullArn, guardArn]) await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  const { Credentials } = await new STSClient(as(user)).send(
    new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: "bench", Policy: ofSession }),
  );
  const role: Keys = {
    accessKeyId: Credentials?.AccessKeyId ?? "",
    secretAccessKey: Credentials?.SecretAccessKey ?? "",
    sessionToken: Credentials?.SessionToken,
  };

  const ecr = new ECRClient(as(root));
  await ecr.send(
    new TagResourceCommand({
      resourceArn: `arn:aws:ecr:${region}:${account}:repository/${governed}`,
      tags: [...team, { Key: "stage", Value: "production" }],
    }),
  );
  await ecr.send(
    new SetRepositoryPolicyCommand({
      repositoryName: governed,
      policyText: document(
        { Sid: "Partner", Effect: "Allow", Principal: partner, Action: pullActions },
        {
          Sid: "NotFromElsewhere",
          Effect: "Deny",
          Principal: "*",
          Action: ["ecr:PutImage", "ecr:BatchGetImage"],
          Condition: { StringNotEquals: { "aws:PrincipalAccount": [account, "111122223333"] } },
        },
      ),
    }),
  );
  await ecr.send(
    new PutRegistryPolicyCommand({
      policyText: document({
        Sid: "Replicas",
        Effect: "Allow",
        Principal: partner,
        Action: ["ecr:ReplicateImage", "ecr:CreateRepository"],
        Resource: `arn:aws:ecr:${region}:${account}:repository/*`,
      }),
    }),
  );

  const login = async (keys: Keys) => {
    const { authorizationData } = await new ECRClient(as(keys)).send(new GetAuthorizationTokenCommand({}));
    return `Basic ${authorizationData?.[0]?.authorizationToken}`;
  };
  return [
    { name: "root", authorization: await login(root), ...paths.plain },
    { name: "user", authorization: await login(user), ...paths.governed },
    { name: "role", authorization: await login(role), ...paths.governed },
  ];
}

async function pushImage(client: RegistryClient, repository: string) {
  const config = await client.pushBlob(repository, Buffer.from("{}"), mediaTypes.config);
  const layer = await client.pushBlob(repository, Buffer.from("a layer"));
  const manifestPath = await client.pushManifest(repository, "latest", config, [layer]);
  return { manifestPath, layerPath: `/v2/${repository}/blobs/${layer.digest}` };
}
