import { randomInt } from "node:crypto";
import { type AccountId, type Arn, parseAccountId, parseRegion, type Registry } from "../names.ts";

/** Names of secrets and how requests refer to them (Secrets Manager API reference, CreateSecret and DescribeSecret). */

const namePattern = /^[A-Za-z0-9/_+=.@-]{1,512}$/;
const suffixPattern = /^(.+)-([A-Za-z0-9]{6})$/;
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export function isSecretName(text: string): boolean {
  return namePattern.test(text);
}

export function newSuffix(): string {
  return Array.from({ length: 6 }, () => letters[randomInt(letters.length)]).join("");
}

export function secretArn({ account, region }: Registry, name: string, suffix?: string): Arn {
  return `arn:aws:secretsmanager:${region}:${account}:secret:${name}${suffix === undefined ? "" : `-${suffix}`}` as Arn;
}

export interface SecretReference {
  readonly registry: Registry;
  /** What is behind `secret:`, or the name alone. */
  readonly named: string;
}

/** A name or an ARN; `undefined` for what is neither. */
export function parseReference(reference: string, registry: Registry): SecretReference | undefined {
  if (!reference.startsWith("arn:")) return isSecretName(reference) ? { registry, named: reference } : undefined;
  const [, partition, service, regionText = "", accountText = "", kind, named = "", ...rest] = reference.split(":");
  const account = parseAccountId(accountText);
  const region = parseRegion(regionText);
  const isArn = partition === "aws" && service === "secretsmanager" && kind === "secret" && rest.length === 0;
  return isArn && account && region && isSecretName(named) ? { registry: { account, region }, named } : undefined;
}

/** Whose secret a reference means. */
export function accountOfSecret(reference: string | undefined): AccountId | undefined {
  return reference?.startsWith("arn:") ? parseAccountId(reference.split(":")[4] ?? "") : undefined;
}

/**
 * What `named` can mean, the likelier first: a name with six characters behind it, and a name alone, which may end as if it
 * had them.
 */
export function readings(named: string): readonly { readonly name: string; readonly suffix?: string }[] {
  const [, name, suffix] = suffixPattern.exec(named) ?? [];
  return name === undefined ? [{ name: named }] : [{ name, suffix }, { name: named }];
}
