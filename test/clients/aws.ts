import type { World } from "./client.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a command prints is known by its documentation only.
export type Json = any;

/** Who calls: credentials as STS and IAM give them. */
export interface Keys {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly SessionToken?: string;
}

/** The AWS CLI as somebody. */
export interface Aws {
  /** The environment that makes any program this caller. */
  readonly env: Readonly<Record<string, string>>;
  json(...args: string[]): Promise<Json>;
  text(...args: string[]): Promise<string>;
  /** Must fail; what it says. */
  refused(...args: string[]): Promise<string>;
  as(keys: Keys): Aws;
}

/** The AWS CLI as the root user of the server under test. */
export function openAws(world: World, keys?: Keys): Aws {
  const env: Record<string, string> = keys
    ? {
        AWS_ACCESS_KEY_ID: keys.AccessKeyId,
        AWS_SECRET_ACCESS_KEY: keys.SecretAccessKey,
        ...(keys.SessionToken ? { AWS_SESSION_TOKEN: keys.SessionToken } : {}),
      }
    : {};
  return {
    env,
    json: async (...args) => {
      const { stdout } = await world.run(["aws", ...args, "--output", "json"], { env });
      return stdout.trim() === "" ? undefined : JSON.parse(stdout);
    },
    text: async (...args) => (await world.run(["aws", ...args, "--output", "text"], { env })).stdout.trim(),
    refused: async (...args) => (await world.run(["aws", ...args], { env, fails: true })).stderr,
    as: (others) => openAws(world, others),
  };
}

/** A policy document as an argument. */
export function policy(...statements: object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}
