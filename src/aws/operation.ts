import { z } from "zod";
import type { Arrival, Granted, Need, Principal } from "../domain/access.ts";
import type { RefusalCode } from "../domain/errors.ts";
import type { SigningKey } from "../domain/identity/credentials.ts";
import {
  type AccountId,
  parseDigest,
  parseTag,
  type Registry,
  type RepositoryName,
  repositoryArn,
} from "../domain/names.ts";

/** Holds every input that is not content: the largest, a list of 100 digests or a policy, has some 20 KB. */
export const defaultBodyBytes = 1024 * 1024;

/** What an operation says of itself, in the order of the AWS reference page: input, permission, errors, effect. */
export interface Definition<Shape extends z.ZodRawShape, Output, Code extends RefusalCode, Parts> {
  readonly input: Shape;
  /** The account whose registry is meant. Left out: the input's `registryId`, else the caller's account. */
  account?(input: Parsed<Shape>): AccountId | undefined;
  /**
   * Who calls, for an operation that is not signed because its input proves it: a token of somebody else's.
   * @throws a refusal for input that proves nothing
   */
  caller?(input: Parsed<Shape>, parts: Parts, arrival: Arrival): Promise<Principal>;
  /** What the caller must be allowed to do. An empty list means that a good signature is enough. */
  needs(
    input: Parsed<Shape>,
    registry: Registry,
    from: { readonly principal: Principal; readonly parts: Parts },
  ): readonly Need[] | Promise<readonly Need[]>;
  readonly throws: readonly Code[];
  /** The longest request body, as encoded. Left out: `defaultBodyBytes`. */
  readonly maxBodyBytes?: number;
  /** `key` is absent only where there is a `caller`. */
  run(input: Parsed<Shape>, granted: Granted, parts: Parts, key: SigningKey): Promise<Output>;
}

/** An operation as dispatch sees it: its input has been parsed by `schema`, and that is all that is known of it. */
export interface Operation<Parts = unknown> {
  readonly name: string;
  readonly schema: z.ZodObject;
  readonly throws: readonly RefusalCode[];
  readonly maxBodyBytes: number;
  account(input: unknown): AccountId | undefined;
  caller?(input: unknown, parts: Parts, arrival: Arrival): Promise<Principal>;
  needs(
    input: unknown,
    registry: Registry,
    from: { readonly principal: Principal; readonly parts: Parts },
  ): readonly Need[] | Promise<readonly Need[]>;
  run(input: unknown, granted: Granted, parts: Parts, key: SigningKey): Promise<unknown>;
}

/**
 * The `operation()` of one service. `Sdk` is the type of its published client module, which is the contract: the shape
 * must name every member that the client can send and take every value of the client's types, and `run` must answer in
 * those types (members that they do not know are for `schema-check.ts` to find). `Code` is what the service's error
 * table can spell.
 */
export function operationsOf<Sdk, Code extends RefusalCode, Parts>() {
  return function operation<Name extends OperationName<Sdk>, Shape extends z.ZodRawShape>(
    name: Name,
    definition: Definition<Shape, OutputOf<Sdk, Name>, Code, Parts> & { input: Covers<Shape, InputOf<Sdk, Name>> },
  ): Operation<Parts> {
    const {
      input,
      account = registryOf,
      caller,
      needs,
      throws,
      maxBodyBytes = defaultBodyBytes,
      run,
    } = definition as Definition<z.ZodRawShape, unknown, Code, Parts>;
    return { name, schema: z.object(input), throws, maxBodyBytes, account, caller, needs, run } as Operation<Parts>;
  };
}

function registryOf(input: { registryId?: AccountId }): AccountId | undefined {
  return input.registryId;
}

/** The common case: one action on the repository that the input names. */
export function onRepository(action: Need["action"]) {
  return ({ repositoryName }: { repositoryName: RepositoryName }, registry: Registry): Need[] => [
    { action, resource: repositoryArn(registry, repositoryName) },
  ];
}

/** The same for a batch: what is decided, is decided for each image where policies ask about images. */
export function onImages(action: Need["action"]) {
  return (
    { repositoryName: repository, imageIds = [] }: { repositoryName: RepositoryName; imageIds?: readonly NamedImage[] },
    registry: Registry,
  ): Need[] => {
    const need: Need = { action, resource: repositoryArn(registry, repository) };
    const meant = imageIds.map(({ imageDigest = "", imageTag = "" }) => ({
      repository,
      digest: parseDigest(imageDigest),
      tag: parseTag(imageTag),
    }));
    const named = meant.filter(({ digest, tag }) => digest !== undefined || tag !== undefined);
    return named.length === 0 ? [need] : named.map((image) => ({ ...need, image }));
  };
}

interface NamedImage {
  readonly imageDigest?: string;
  readonly imageTag?: string;
}

/** An action that has no resource: policies must allow it on `*`. */
export function onRegistry(action: Need["action"]) {
  return (): Need[] => [{ action, resource: "*" }];
}

// ── The contract, read from the types of the published client ──────────────────────────────────────────────────────

type Parsed<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape>>;

export type OperationName<Sdk> = {
  [Name in keyof Sdk]: Name extends `${infer Operation}Command` ? Operation : never;
}[keyof Sdk];

type CommandOf<Sdk, Name extends string> = Sdk[`${Name}Command` & keyof Sdk] extends abstract new (
  ...args: never[]
) => infer Command
  ? Command
  : never;

type InputOf<Sdk, Name extends string> = CommandOf<Sdk, Name> extends { input: infer Input } ? Input : never;

type OutputOf<Sdk, Name extends string> =
  CommandOf<Sdk, Name> extends {
    resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: infer Output }>;
  }
    ? Answer<Omit<Output, "$metadata">>
    : never;

/** An operation that has nothing to answer may say nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: what an async function without a return gives
type Answer<Output> = keyof Output extends never ? Output | void : Output;

/** A value of the client's types as the protocol carries it. */
type Wire<Value> = Value extends Uint8Array
  ? string
  : Value extends Date
    ? number
    : Value extends object
      ? { [Key in keyof Value]: Wire<Exclude<Value[Key], undefined>> }
      : Value;

type Covers<Shape, Input> = {
  [Member in keyof Required<Input>]: Member extends keyof Shape
    ? Wire<Input[Member]> extends z.input<Shape[Member] & z.ZodType> | undefined
      ? z.ZodType
      : never
    : never;
} & { [Member in Exclude<keyof Shape, keyof Input>]: never };
