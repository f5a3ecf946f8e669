import { CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from "@aws-sdk/client-iam";
import { CreateKeyCommand, type CreateKeyCommandInput } from "@aws-sdk/client-kms";
import type { inProcess } from "../testing.ts";

/** For tests: somebody to decide about, and something to decide on. */

type Berth = Awaited<ReturnType<typeof inProcess>>;

export const statement = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

/** A user with its own policy, and its client. */
export async function person(berth: Berth, UserName: string, policy?: string) {
  const { User } = await berth.iam.send(new CreateUserCommand({ UserName }));
  const { AccessKey } = await berth.iam.send(new CreateAccessKeyCommand({ UserName }));
  if (policy !== undefined) {
    const put = new PutUserPolicyCommand({ UserName, PolicyName: "own", PolicyDocument: policy });
    await berth.iam.send(put);
  }
  const keys = { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
  return { arn: User?.Arn ?? "", kms: berth.kmsAs(keys), ecr: berth.ecrAs(keys) };
}

export async function newKey(berth: Berth, input: CreateKeyCommandInput = {}) {
  const { KeyMetadata } = await berth.kms.send(new CreateKeyCommand(input));
  return { id: KeyMetadata?.KeyId ?? "", arn: KeyMetadata?.Arn ?? "" };
}

/** The name of the error, and what it says. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}
