import * as sdk from "@aws-sdk/client-iam";
import { account, type inProcess } from "../testing.ts";

/** For tests: users, groups and keys made by the account's root user. */

type Berth = Awaited<ReturnType<typeof inProcess>>;

export const arnOf = (rest: string) => `arn:aws:iam::${account}:${rest}`;
export const documentOf = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
export const allow = (Action: string | string[], Resource = "*", Condition?: object) =>
  documentOf({ Effect: "Allow", Action, Resource, Condition });
/** A policy that is always there. */
export const limits = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser";

export type Refused = [name: string, message: string, status?: number];

export async function refused(sent: Promise<unknown>): Promise<Refused> {
  try {
    await sent;
  } catch (error) {
    const { name, message, $metadata } = error as sdk.IAMServiceException;
    return [name, message, $metadata.httpStatusCode];
  }
  throw new Error("it was not refused");
}

export function made(berth: Berth) {
  const { iam } = berth;

  async function createUser(UserName: string, more: Partial<sdk.CreateUserCommandInput> = {}): Promise<sdk.User> {
    const { User } = await iam.send(new sdk.CreateUserCommand({ UserName, ...more }));
    return User as sdk.User;
  }

  async function createKey(UserName: string): Promise<{ accessKeyId: string; secretAccessKey: string }> {
    const { AccessKey } = await iam.send(new sdk.CreateAccessKeyCommand({ UserName }));
    return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
  }

  /** A user who may do what the policy says, as a client. */
  async function userWho(UserName: string, PolicyDocument: string): Promise<sdk.IAMClient> {
    await createUser(UserName);
    await iam.send(new sdk.PutUserPolicyCommand({ UserName, PolicyName: "p", PolicyDocument }));
    return berth.iamAs(await createKey(UserName));
  }

  const createGroup = (GroupName: string, Path?: string) => iam.send(new sdk.CreateGroupCommand({ GroupName, Path }));
  const join = (GroupName: string, UserName: string) =>
    iam.send(new sdk.AddUserToGroupCommand({ GroupName, UserName }));
  return { createUser, createKey, userWho, createGroup, join };
}
