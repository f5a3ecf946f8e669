import type * as sdk from "@aws-sdk/client-ecr";
import type { InProcess } from "../support/berth.ts";
import { account } from "../support/berth.ts";
import type { Operation } from "../support/model.ts";

/** One operation of ECR: an input that is good, and inputs that are not. Rows need nothing of each other. */
export interface Row<Name extends Operation> {
  good(world: World): Input<Name> | Promise<Input<Name>>;
  /** What a good answer has in any case. */
  readonly has: readonly Exclude<keyof Output<Name>, "$metadata">[];
  /** At least one. Members that are missing, or of another type than the model says, are tried with every row. */
  readonly bad: Readonly<Record<string, BadInput<Input<Name>>>>;
}

/** The error, and what of a good input ends in it: members that are put into it, or what makes a bad one of it. */
export type BadInput<Good = unknown> = readonly [
  error: string,
  change: object | ((good: Good, world: World) => object | Promise<object>),
];

/** A row, whatever its operation. */
export interface AnyRow {
  good(world: World): object | Promise<object>;
  readonly has: readonly string[];
  readonly bad: Readonly<Record<string, BadInput<object>>>;
}

export type Rows = { readonly [Name in Operation]?: Row<Name> };

type CommandOf<Name extends Operation> = (typeof sdk)[`${Name}Command` & keyof typeof sdk] extends abstract new (
  ...args: never[]
) => infer Command
  ? Command
  : never;
type Input<Name extends Operation> = CommandOf<Name> extends { input: infer Given } ? Given : never;
type Output<Name extends Operation> =
  CommandOf<Name> extends {
    resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: infer Given }>;
  }
    ? Given
    : never;

/** What rows take their inputs from. */
export interface World {
  readonly berth: InProcess;
  /** A repository of its own. */
  repository(settings?: Partial<sdk.CreateRepositoryCommandInput>): Promise<string>;
  /** A repository of its own with one image. `more` goes into its manifest. */
  image(more?: object): Promise<PushedImage>;
  /** An upload in a repository of its own, with so many bytes in it. */
  upload(sizeBytes?: number): Promise<{ readonly repositoryName: string; readonly uploadId: string }>;
  /** Calls another operation first. */
  send: sdk.ECRClient["send"];
}

export interface PushedImage {
  readonly repositoryName: string;
  readonly imageTag: string;
  readonly imageDigest: string;
  readonly imageManifest: string;
  readonly layerDigest: string;
}

export const nowhere = "no/such/repository";
export const noDigest = `sha256:${"0".repeat(64)}`;
export const arnOf = (repositoryName: string) => `arn:aws:ecr:us-east-1:${account}:repository/${repositoryName}`;
export const policyOf = (action: string, more: object = {}) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: account }, Action: action, ...more }],
  });

export const missingRepository: BadInput = ["RepositoryNotFoundException", { repositoryName: nowhere }];
export const badName: BadInput = ["InvalidParameterException", { repositoryName: "No Name" }];
export const missingImage: BadInput = ["ImageNotFoundException", { imageId: { imageTag: "missing" } }];
export const noImageId: BadInput = ["InvalidParameterException", { imageId: {} }];

/** Members that break the model, or have values that cannot be. */
export function invalid(change: object): BadInput {
  return ["InvalidParameterException", change];
}
