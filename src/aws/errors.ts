import type { Claimed } from "../domain/audit/happening.ts";

/** How an error is called on the wire, and the HTTP status that goes with it. */
export type Spelling = readonly [name: string, status: number];

/** An error as a client sees it. */
export interface WireError {
  readonly name: string;
  readonly status: number;
  readonly message: string;
  /** Modelled members beside the message. */
  readonly members?: Readonly<Record<string, string | number>>;
}

/** What can be wrong with a call whatever its operation. Each protocol has a table that spells all of them. */
export type CallFault =
  | "MissingToken"
  | "IncompleteSignature"
  | "UnknownToken"
  | "ExpiredToken"
  | "SignatureMismatch"
  | "AccessDenied"
  | "MissingOperation"
  | "UnknownOperation"
  | "Unreadable"
  | "TooLarge"
  | "Busy"
  | "Internal";

/** A call that is declined before, or beside, the rules of the domain. The message is for the client: no secrets. */
export class CallRefused extends Error {
  override readonly name = "CallRefused";
  constructor(
    readonly fault: CallFault,
    message: string,
    /** The key that was named and not proven, for the audit trail. */
    readonly claimed?: Claimed,
  ) {
    super(message);
  }
}
