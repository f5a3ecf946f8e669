import type { Access, Arrival, Caller, Granted, Principal } from "../domain/access.ts";
import { AuditUnavailable } from "../domain/audit/trail.ts";
import { Refusal } from "../domain/errors.ts";
import type { Credentials, SigningKey } from "../domain/identity/credentials.ts";
import type { Region, Registry } from "../domain/names.ts";
import type { Rates } from "../domain/rates.ts";
import { type BodyMemory, type BodyShare, readBody } from "./body.ts";
import { CallRefused, type WireError } from "./errors.ts";
import { checkInput } from "./input.ts";
import { defaultBodyBytes } from "./operation.ts";
import type { Call, Protocol } from "./protocols/protocol.ts";
import { type Ending, type Recorder, recordCall, type Story } from "./record.ts";
import type { Verifier } from "./sigv4.ts";

/** Where faults of our own are told. */
export interface Log {
  error(facts: Record<string, unknown>, message: string): void;
}

export interface DispatchParts {
  readonly protocolOf: (request: Request) => Protocol;
  readonly verifier: Verifier;
  /** Told of every key that has signed. */
  readonly keyUsed: Credentials["used"];
  readonly access: Access;
  readonly bodies: BodyMemory;
  /** The region of calls that are not signed, and so name none. */
  readonly defaultRegion: Region;
  /** Left out: nobody is too fast. */
  readonly rates?: Rates;
  readonly audit: Recorder["audit"];
  readonly home: Registry;
  readonly clock: () => Date;
  readonly log: Log;
}

export type Surface = (request: Request, arrival: Arrival) => Promise<Response>;

/** Every API call's life, whatever its service and protocol. */
export function createDispatch(parts: DispatchParts): Surface {
  const { protocolOf, verifier, keyUsed, access, bodies, defaultRegion, rates, audit, home, clock, log } = parts;
  const recorder: Recorder = { audit, home, clock };

  async function answer(request: Request, arrival: Arrival): Promise<Response> {
    const protocol = protocolOf(request);
    const story: Story = {};
    // Counted until the end: an operation may need its body to the last.
    using share = bodies.open();
    try {
      const body = await read(protocol, request, share, arrival);
      const call = await find(protocol, request, body, arrival, story);
      const signed = call.operation.caller ? undefined : await verify(protocol, call, request, body, arrival, story);
      if (signed) throttle(call, signed.key.principal, signed.region);
      const input = parse(call, story);
      const { principal, region } = signed ? { ...signed, ...signed.key } : await prove(call, input, arrival, story);
      const granted = await grant(call, input, principal, region, arrival, story);
      const output = await call.operation.run(input, granted, call.service.parts, signed?.key as SigningKey);
      await record(story, { output }, arrival);
      return protocol.encode(output, call, arrival.requestId);
    } catch (thrown) {
      return protocol.encodeError(await refuse(thrown, protocol, story, arrival), story.call, arrival.requestId);
    }
  }

  async function refuse(thrown: unknown, protocol: Protocol, story: Story, arrival: Arrival): Promise<WireError> {
    const error = spell(thrown, protocol, story.call, arrival);
    // It was done and could not be recorded: there is nothing to try again.
    if (thrown instanceof AuditUnavailable) return error;
    try {
      await record(story, { error, thrown }, arrival);
      return error;
    } catch (failure) {
      return spell(failure, protocol, story.call, arrival);
    }
  }

  const record = (story: Story, ending: Ending, arrival: Arrival) => recordCall(story, ending, arrival, recorder);

  /** Who may send a large body is known by name before it is read, though not yet believed. */
  async function read(protocol: Protocol, request: Request, share: BodyShare, { paced }: Arrival) {
    const limitBytes = await protocol.maxBodyBytes(request);
    if (limitBytes > defaultBodyBytes) await verifier.recognize(request, protocol.missingTokenText);
    return readBody(request, limitBytes, share, paced);
  }

  async function find(
    protocol: Protocol,
    request: Request,
    body: Uint8Array,
    arrival: Arrival,
    story: Story,
  ): Promise<Call> {
    const call = await protocol.find(request, body);
    story.call = call;
    arrival.note({ service: call.service.name, operation: call.operation.name });
    return call;
  }

  async function verify(
    protocol: Protocol,
    call: Call,
    request: Request,
    body: Uint8Array,
    arrival: Arrival,
    story: Story,
  ) {
    const { clockSkewMinutes, missingTokenText } = protocol;
    const { name: service, isGlobal } = call.service;
    const expected = { service, isGlobal, clockSkewMinutes, missingTokenText };
    const signed = await verifier.verify(request, body, expected);
    story.signed = signed;
    story.registry = { account: signed.key.principal.account, region: signed.region };
    keyUsed(signed.key, service, signed.region);
    arrival.note({ principal: signed.key.principal.arn });
    return signed;
  }

  /** Nobody signed: what the input proves is who calls. */
  async function prove(call: Call, input: unknown, arrival: Arrival, story: Story) {
    const { operation, service } = call;
    const principal = await operation.caller?.(input, service.parts, arrival);
    if (!principal) throw new Error(`${operation.name} does not say who calls`);
    story.principal = principal;
    arrival.note({ principal: principal.arn });
    // Not before: what proves nothing must not use up what others are allowed.
    const account = operation.account(input) ?? principal.account;
    throttle(call, { ...principal, account }, defaultRegion);
    return { principal, region: defaultRegion };
  }

  function throttle({ operation, service }: Call, principal: Principal, region: Region): void {
    // Else whoever names a new region with every call would never be too fast.
    rates?.take(principal, service.isGlobal ? defaultRegion : region, [operation.name]);
  }

  function parse({ service, operation, decode }: Call, story: Story): unknown {
    const input = checkInput(operation.schema, decode());
    if ("problems" in input) throw service.invalidInput(input.problems);
    story.input = input.value;
    return input.value;
  }

  async function grant(
    { operation, service: { parts } }: Call,
    input: unknown,
    principal: Principal,
    region: Region,
    arrival: Arrival,
    story: Story,
  ): Promise<Granted> {
    const caller: Caller = { ...arrival, principal };
    const registry = { account: operation.account(input) ?? principal.account, region };
    story.registry = registry;
    story.granted = await access.grant(caller, registry, await operation.needs(input, registry, { principal, parts }));
    return story.granted;
  }

  function spell(thrown: unknown, protocol: Protocol, call: Call | undefined, arrival: Arrival): WireError {
    const error = wireError(thrown, protocol, call) ?? internalError(protocol, call);
    arrival.note({ error: error.name });
    if (error.status >= 500) {
      const facts = { requestId: arrival.requestId, service: call?.service.name, operation: call?.operation.name };
      log.error({ err: thrown, ...facts }, "API call failed");
    }
    return error;
  }

  return async (request, arrival) => sent(await answer(request, arrival), clock);
}

/** Refuses every call for the same reason. */
export function createRefusal(
  parts: Pick<DispatchParts, "protocolOf" | "clock"> & { readonly refusal: CallRefused },
): Surface {
  const { protocolOf, clock, refusal } = parts;
  return async (request, { requestId }) => {
    const protocol = protocolOf(request);
    const [name, status] = protocol.faults[refusal.fault];
    return sent(protocol.encodeError({ name, status, message: refusal.message }, undefined, requestId), clock);
  };
}

/** With the headers that every answer has. */
function sent(response: Response, clock: () => Date): Response {
  // SDKs set their clocks by it after a signature was found too old.
  response.headers.set("Date", clock().toUTCString());
  if (response.status === 503) response.headers.set("Retry-After", "1");
  return response;
}

/** `undefined` for what nobody foresaw. */
function wireError(thrown: unknown, protocol: Protocol, call: Call | undefined): WireError | undefined {
  if (thrown instanceof CallRefused) {
    const [name, status] = protocol.faults[thrown.fault];
    return { name, status, message: thrown.message };
  }
  if (!(thrown instanceof Refusal) || !call) return undefined;
  const { service } = call;
  const refusal: Refusal = thrown;
  const spelling = service.errors[refusal.code];
  if (!spelling) return undefined;
  const [name, status] = spelling;
  return { name, status, message: refusal.message, members: service.members?.(refusal) };
}

function internalError(protocol: Protocol, call: Call | undefined): WireError {
  const [name, status] = call?.service.internal ?? protocol.faults.Internal;
  return { name, status, message: "The request processing has failed because of an internal error." };
}
