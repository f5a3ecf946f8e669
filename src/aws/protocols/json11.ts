import { parseStrictJson } from "../../domain/json.ts";
import { CallRefused } from "../errors.ts";
import type { JsonService } from "../service.ts";
import type { Call, Protocol } from "./protocol.ts";

const contentType = "application/x-amz-json-1.1";
const maxDepth = 32;

/** AWS JSON 1.1 (Smithy, "AWS JSON 1.1 protocol"): `X-Amz-Target` names the operation, the body is its input. */
export function createJson11(services: readonly JsonService[]): Protocol {
  const byTarget = new Map(
    services.flatMap((service) => [service.targetPrefix].flat().map((prefix) => [prefix, service] as const)),
  );

  async function target({ method, headers }: Request): Promise<Pick<Call, "service" | "operation">> {
    const given = headers.get("x-amz-target") ?? "";
    const dot = given.lastIndexOf(".");
    const service = byTarget.get(given.slice(0, dot));
    const operation = (await service?.operations())?.get(given.slice(dot + 1));
    if (!service || !operation || method !== "POST") {
      throw new CallRefused("UnknownOperation", "The requested operation is not known to this service.");
    }
    return { service, operation };
  }

  return {
    clockSkewMinutes: 5,
    missingTokenText: "Missing Authentication Token",
    faults: {
      MissingToken: ["MissingAuthenticationTokenException", 400],
      IncompleteSignature: ["IncompleteSignatureException", 400],
      UnknownToken: ["UnrecognizedClientException", 400],
      ExpiredToken: ["ExpiredTokenException", 400],
      SignatureMismatch: ["InvalidSignatureException", 400],
      AccessDenied: ["AccessDeniedException", 400],
      MissingOperation: ["UnknownOperationException", 404],
      UnknownOperation: ["UnknownOperationException", 404],
      Unreadable: ["SerializationException", 400],
      TooLarge: ["RequestEntityTooLargeException", 413],
      Busy: ["ServiceUnavailable", 503],
      Internal: ["InternalFailure", 500],
    },
    maxBodyBytes: async (request) => (await target(request)).operation.maxBodyBytes,
    find: async (request, body) => ({ ...(await target(request)), decode: () => decode(body) }),
    encode: (output, _call, requestId) => respond(200, output ?? {}, requestId),
    encodeError({ name, status, message, members }, call, requestId) {
      const { messageMember = "message" } = (call?.service ?? {}) as Partial<JsonService>;
      // Go, JavaScript and Rust SDKs read the header, botocore only the body.
      return respond(status, { __type: name, [messageMember]: message, ...members }, requestId, {
        "x-amzn-ErrorType": name,
      });
    },
  };
}

function decode(body: Uint8Array): unknown {
  if (body.length === 0) return {};
  const parsed = parseStrictJson(textOf(body), { maxDepth });
  if ("problem" in parsed) throw new CallRefused("Unreadable", `The request body cannot be read: ${parsed.problem}`);
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value)) {
    throw new CallRefused("Unreadable", "The request body must be a JSON object");
  }
  return withoutNulls(parsed.value);
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new CallRefused("Unreadable", "The request body cannot be read: not UTF-8");
  }
}

/** A member that is null is an absent member. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  // Half of a surrogate pair has no bytes in UTF-8: it would be stored as something else than was sent.
  if (typeof value === "string" && !value.isWellFormed()) {
    throw new CallRefused("Unreadable", "The request body cannot be read: a string with an unpaired surrogate");
  }
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}

function respond(status: number, output: unknown, requestId: string, headers?: Record<string, string>): Response {
  return new Response(JSON.stringify(output, encodeMember), {
    status,
    headers: { "Content-Type": contentType, "x-amzn-RequestId": requestId, ...headers },
  });
}

/**
 * Times are seconds with up to three decimals: the Go SDK takes nothing else. Bytes are base64. `this` has the value before
 * `toJSON`.
 */
function encodeMember(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  if (raw instanceof Uint8Array) return Buffer.from(raw).toString("base64");
  return raw instanceof Date ? raw.getTime() / 1000 : value;
}
