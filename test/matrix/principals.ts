import { GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  type IAMClient,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  UpdateAccessKeyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { iamArn } from "../../src/domain/names.ts";
import { account, type InProcess } from "../support/berth.ts";
import type { Auth } from "./calls.ts";
import { elsewhere, type Row, repository } from "./rows.ts";

/** The kinds of caller that every row meets, made once by the API, as an administrator would. */
export interface Cast {
  readonly noPolicy: Auth;
  /** The policy of each is replaced for each row. */
  readonly allowed: Person;
  readonly denied: Person;
  readonly elsewhere: Person;
  /** A role's session that may do everything but for its session policy. */
  readonly limited: Auth;
  readonly expired: Auth;
  readonly disabledKey: Auth;
  /** Who come with a certificate: nobody's, a role's session that may do nothing, and the same person as `allowed`. */
  readonly certified: { readonly unknown: Auth; readonly noPolicy: Auth; readonly allowed: Auth };
  /** An administrator of another account. */
  readonly stranger: Auth;
  readonly otherAccount: string;
}

export interface Person extends Auth {
  readonly user: string;
}

const document = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const everything = { Effect: "Allow", Action: "*", Resource: "*" };

export async function makeCast(berth: InProcess, otherAccount: { id: string; admin: Auth }): Promise<Cast> {
  const iam = berth.iam();
  const disabledKey = await person(iam, "disabled");
  await givePolicy(iam, "disabled", document(everything));
  await iam.send(
    new UpdateAccessKeyCommand({ UserName: "disabled", AccessKeyId: disabledKey.accessKeyId, Status: "Inactive" }),
  );
  await makeRole(iam);
  // Made so long ago that its token of 12 h, which outlives the session itself, has expired too.
  const expired = await longAgo(berth, 13 * 3_600_000, (clock) => session(berth, { DurationSeconds: 900 }, clock));
  return {
    noPolicy: await person(iam, "nobody"),
    allowed: await person(iam, "allowed"),
    denied: await person(iam, "denied"),
    elsewhere: await person(iam, "elsewhere"),
    limited: await session(berth, {
      Policy: document({ ...everything, Action: "ecr:GetAuthorizationToken" }),
    }),
    expired,
    disabledKey,
    certified: {
      unknown: certified("somebody"),
      noPolicy: certified("powerless"),
      allowed: certified("allowed"),
    },
    stranger: otherAccount.admin,
    otherAccount: otherAccount.id,
  };
}

/** By their common names. */
export const certificateIdentities = [
  { kind: "cn", pattern: "allowed", principal: iamArn(account, "user", "/", "allowed") },
  { kind: "cn", pattern: "powerless", principal: iamArn(account, "role", "/", "powerless") },
] as const;

function certified(commonName: string): Auth {
  const names = { uris: [], dnsNames: [], emails: [] };
  const certificate = { serial: "01", subject: `CN=${commonName}`, issuer: "CN=CA", commonName, ...names };
  return { accessKeyId: "", secret: "", certificate };
}

async function person(iam: IAMClient, user: string): Promise<Person> {
  await iam.send(new CreateUserCommand({ UserName: user }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: user }));
  return { user, accessKeyId: AccessKey?.AccessKeyId ?? "", secret: AccessKey?.SecretAccessKey ?? "" };
}

async function makeRole(iam: IAMClient): Promise<void> {
  const trust = document({ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" });
  await iam.send(new CreateRoleCommand({ RoleName: "anything", AssumeRolePolicyDocument: trust }));
  const policy = { RoleName: "anything", PolicyName: "all", PolicyDocument: document(everything) };
  await iam.send(new PutRolePolicyCommand(policy));
  const Principal = { Service: "rolesanywhere.amazonaws.com" };
  const ofCertificates = document({ Effect: "Allow", Principal, Action: "sts:*" });
  await iam.send(new CreateRoleCommand({ RoleName: "powerless", AssumeRolePolicyDocument: ofCertificates }));
}

async function longAgo<Result>(
  berth: InProcess,
  ms: number,
  work: (clock: { systemClockOffset: number }) => Promise<Result>,
): Promise<Result> {
  const { now } = berth;
  berth.now = new Date(now.getTime() - ms);
  try {
    return await work({ systemClockOffset: -ms });
  } finally {
    berth.now = now;
  }
}

async function session(
  berth: InProcess,
  more: { DurationSeconds?: number; Policy?: string },
  clock: object = {},
): Promise<Auth> {
  const RoleArn = `arn:aws:iam::${account}:role/anything`;
  const assume = new AssumeRoleCommand({ RoleArn, RoleSessionName: "matrix", ...more });
  const { Credentials } = await berth.sts(clock).send(assume);
  const keys = {
    accessKeyId: Credentials?.AccessKeyId ?? "",
    secret: Credentials?.SecretAccessKey ?? "",
    sessionToken: Credentials?.SessionToken ?? "",
  };
  return { ...keys, password: await passwordOf(berth, keys, clock) };
}

/** What `aws ecr get-login-password` prints. */
export async function passwordOf(
  berth: InProcess,
  { accessKeyId, secret, sessionToken }: Auth,
  clock: object = {},
): Promise<string> {
  const credentials = { accessKeyId, secretAccessKey: secret, sessionToken };
  const { authorizationData } = await berth.ecr({ credentials, ...clock }).send(new GetAuthorizationTokenCommand({}));
  return atob(authorizationData?.[0]?.authorizationToken ?? "").slice("AWS:".length);
}

async function givePolicy(iam: IAMClient, UserName: string, PolicyDocument: string): Promise<void> {
  await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: "row", PolicyDocument }));
}

export const resourceOf = (row: Row, owner: string) => row.resource.replaceAll("{account}", owner);

/** Exactly what the row says is needed, and nothing more. */
export const allowExactly = (berth: InProcess, { user }: Person, row: Row, owner = account) =>
  givePolicy(berth.iam(), user, document({ Effect: "Allow", Action: row.actions, Resource: resourceOf(row, owner) }));

/** Everything but one of the actions that the row needs. */
export const denyOne = (berth: InProcess, { user }: Person, row: Row, action: string) =>
  givePolicy(
    berth.iam(),
    user,
    document(everything, { Effect: "Deny", Action: action, Resource: resourceOf(row, account) }),
  );

/** The same actions on another resource. */
export const allowElsewhere = (berth: InProcess, { user }: Person, row: Row) => {
  const renamed = resourceOf(row, account).replace(repository, elsewhere).replace("ghost", "other");
  // What has no name of its own to differ in: a resource of another kind.
  const isRenamed = renamed !== resourceOf(row, account);
  const resource = isRenamed ? renamed : `arn:aws:ecr:us-east-1:${account}:repository/${elsewhere}`;
  return givePolicy(berth.iam(), user, document({ Effect: "Allow", Action: row.actions, Resource: resource }));
};
