import type { Refusal, RefusalCode } from "../domain/errors.ts";
import type { Spelling, WireError } from "./errors.ts";
import type { Problem } from "./input.ts";
import type { Operation } from "./operation.ts";

/** One AWS service: its operations, and how it spells what can go wrong. */
export interface Service<Parts = unknown> {
  /** As in IAM actions, credential scopes and our log: `ecr`. */
  readonly name: string;
  /** Whether it is one for all regions: then it is reached also where its clients' region is not served. */
  readonly isGlobal?: boolean;
  /** By name. A service that not everybody uses is loaded with its first call. */
  operations(): Operations<Parts> | Promise<Operations<Parts>>;
  /** Handed to every `run`. */
  readonly parts: Parts;
  readonly errors: Readonly<Partial<Record<RefusalCode, Spelling>>>;
  /** The error for whatever is our own fault. */
  readonly internal: Spelling;
  /** Modelled members that an error has beside its message. */
  members?(refusal: Refusal): WireError["members"];
  /** Turns broken constraints, at least one, into the refusal that the service's clients know. */
  invalidInput(problems: readonly Problem[]): Refusal;
}

/** A service that speaks AWS JSON 1.1. */
export interface JsonService extends Service {
  /** `X-Amz-Target` without the operation. Where SDKs differ, all that they send. */
  readonly targetPrefix: string | readonly string[];
  /** What its model calls the text of an error. Left out: `message`. */
  readonly messageMember?: "Message";
}

/** A service that speaks the Query protocol. */
export interface QueryService extends Service {
  readonly version: string;
  readonly namespace: string;
}

export type Operations<Parts = unknown> = ReadonlyMap<string, Operation<Parts>>;

export function operationMap<Parts>(operations: readonly Operation<Parts>[]): Operations<Parts> {
  return new Map(operations.map((operation) => [operation.name, operation]));
}
