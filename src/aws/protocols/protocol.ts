import type { CallFault, Spelling, WireError } from "../errors.ts";
import type { Operation } from "../operation.ts";
import type { Service } from "../service.ts";

/** The operation that a request asks for, and where its protocol left the input. */
export interface Call {
  readonly service: Service;
  readonly operation: Operation;
  /** The input as plain values, not yet checked. @throws CallRefused("Unreadable") */
  decode(): unknown;
}

/** One encoding of calls and answers. Operations never see it. */
export interface Protocol {
  /** How much of the body is read. @throws CallRefused("UnknownOperation") where the header names the operation */
  maxBodyBytes(request: Request): number | Promise<number>;
  readonly faults: Readonly<Record<CallFault, Spelling>>;
  readonly missingTokenText: string;
  /** How far a client's clock may be off. */
  readonly clockSkewMinutes: number;
  /** @throws CallRefused("UnknownOperation"), CallRefused("MissingOperation") */
  find(request: Request, body: Uint8Array): Promise<Call>;
  encode(output: unknown, call: Call, requestId: string): Response;
  /** `call` is absent when the request never got that far. */
  encodeError(error: WireError, call: Call | undefined, requestId: string): Response;
}
