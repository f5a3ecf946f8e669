import type { Access, Arrival, Caller, Granted } from "../domain/access.ts";
import { Refusal } from "../domain/errors.ts";
import { readBody } from "./body.ts";
import { CallRefused, type WireError } from "./errors.ts";
import { checkInput } from "./input.ts";
import type { Call, Protocol } from "./protocols/protocol.ts";
import type { Signed, Verifier } from "./sigv4.ts";

/** Where faults of our own are told. */
export interface Log {
  error(facts: Record<string, unknown>, message: string): void;
}

export interface DispatchParts {
  readonly protocolOf: (request: Request) => Protocol;
  readonly verifier: Verifier;
  readonly access: Access;
  readonly clock: () => Date;
  readonly log: Log;
}

export type Surface = (request: Request, arrival: Arrival) => Promise<Response>;

/** Every API call's life, whatever its service and protocol. */
export function createDispatch({ protocolOf, verifier, access, clock, log }: DispatchParts): Surface {
  async function answer(request: Request, arrival: Arrival): Promise<Response> {
    const protocol = protocolOf(request);
    let call: Call | undefined;
    try {
      const body = await readBody(request, protocol.maxBodyBytes);
      call = find(protocol, request, body, arrival);
      const signed = await verify(protocol, call, request, body, arrival);
      const input = parse(call);
      const granted = await grant(call, input, signed, arrival);
      const output = await call.operation.run(input, granted, call.service.parts, signed.key);
      return protocol.encode(output, call, arrival.requestId);
    } catch (thrown) {
      const error = spell(thrown, protocol, call, arrival);
      return protocol.encodeError(error, call, arrival.requestId);
    }
  }

  function find(protocol: Protocol, request: Request, body: Uint8Array, arrival: Arrival): Call {
    const call = protocol.find(request, body);
    arrival.note({ service: call.service.name, operation: call.operation.name });
    return call;
  }

  async function verify(protocol: Protocol, call: Call, request: Request, body: Uint8Array, arrival: Arrival) {
    const { clockSkewMinutes, missingTokenText } = protocol;
    const expected = { service: call.service.name, clockSkewMinutes, missingTokenText };
    const signed = await verifier.verify(request, body, expected);
    arrival.note({ principal: signed.key.principal.arn });
    return signed;
  }

  function parse({ service, operation, decode }: Call): unknown {
    const input = checkInput(operation.schema, decode());
    if ("problems" in input) throw service.invalidInput(input.problems);
    return input.value;
  }

  function grant({ operation }: Call, input: unknown, { key, region }: Signed, arrival: Arrival): Promise<Granted> {
    const { principal } = key;
    const caller: Caller = { ...arrival, principal };
    const registry = { account: operation.account(input) ?? principal.account, region };
    return access.grant(caller, registry, operation.needs(input, registry));
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

  return async (request, arrival) => {
    const response = await answer(request, arrival);
    // SDKs set their clocks by it after a signature was found too old.
    response.headers.set("Date", clock().toUTCString());
    return response;
  };
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
