import type { Arrival, Granted, Principal } from "../domain/access.ts";
import type { Happening, Who } from "../domain/audit/happening.ts";
import { shown } from "../domain/audit/shown.ts";
import type { AuditTrail } from "../domain/audit/trail.ts";
import { Refusal } from "../domain/errors.ts";
import type { Registry } from "../domain/names.ts";
import { CallRefused, type WireError } from "./errors.ts";
import type { Call } from "./protocols/protocol.ts";
import type { Signed } from "./sigv4.ts";

/** What is known of a call so far. */
export interface Story {
  call?: Call;
  signed?: Signed;
  principal?: Principal;
  registry?: Registry;
  input?: unknown;
  granted?: Granted;
}

/** How a call ended. */
export type Ending = { readonly output: unknown } | { readonly error: WireError; readonly thrown: unknown };

export interface Recorder {
  readonly audit: Pick<AuditTrail, "note" | "write">;
  /** Where calls are kept of which neither principal nor registry is known. */
  readonly home: Registry;
  readonly clock: () => Date;
}

/**
 * Takes a call down. Of a change nobody is told before its record is safe; parts of a push are not changes in this
 * sense: nobody gets or loses a permission by them, and there are many.
 * @throws AuditUnavailable
 */
export async function recordCall(story: Story, ending: Ending, arrival: Arrival, recorder: Recorder): Promise<void> {
  const { call } = story;
  // Not a call of anything: there is no name for it.
  if (!call) return;
  const happening = happeningOf(call, story, ending, arrival, recorder);
  const { readOnly, operation, failure } = happening;
  if (readOnly || failure || partsOfPushes.has(operation)) await recorder.audit.note(happening);
  else await recorder.audit.write(happening);
}

function happeningOf(call: Call, story: Story, ending: Ending, arrival: Arrival, recorder: Recorder): Happening {
  const { service, operation } = call;
  const { granted, registry = recorder.home } = story;
  const readOnly = isReadOnly(operation.name);
  const { requestId, sourceIp, userAgent, secureTransport, certificate } = arrival;
  return {
    at: recorder.clock().getTime(),
    arrival: { requestId, sourceIp, userAgent, secureTransport, certificate },
    who: whoOf(story, ending),
    account: registry.account || recorder.home.account,
    region: registry.region,
    service: service.name,
    operation: operation.name,
    readOnly,
    input: story.input === undefined ? undefined : shown(story.input),
    output: "output" in ending && (!readOnly || service.name === "sts") ? shown(ending.output) : undefined,
    needs: granted?.needs,
    decisions: granted?.decisions,
    failure: "error" in ending ? failureOf(ending) : undefined,
  };
}

function whoOf({ signed, principal }: Story, ending: Ending): Who {
  if (signed) {
    const method = signed.form === "query" ? "QueryString" : "AuthHeader";
    return { principal: signed.key.principal, accessKeyId: signed.key.accessKeyId, method };
  }
  if (principal?.kind === "service") return { principal, method: "ClientCertificate" };
  if (principal) return { principal };
  const thrown = "thrown" in ending ? ending.thrown : undefined;
  return { claimed: thrown instanceof CallRefused ? thrown.claimed : undefined };
}

function failureOf({ error, thrown }: Extract<Ending, { error: unknown }>): Happening["failure"] {
  const denial = thrown instanceof Refusal && thrown.is("AccessDenied") ? thrown.facts : undefined;
  // CloudTrail has one name for it, whatever the service calls it.
  const code = denial ? "AccessDenied" : error.name;
  return { code, message: error.message, denial };
}

const partsOfPushes = new Set(["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"]);

/** By the first word of its name. Sessions are not changes either, says CloudTrail, nor is the use of a key. */
function isReadOnly(operation: string): boolean {
  return /^(?:(?:Get|List|Describe|Lookup|Explain|Diff|Simulate|Validate|Decode|Assume|Generate|BatchGet|BatchCheck)(?=[A-Z])|(?:En|De|ReEn)crypt$)/.test(
    operation,
  );
}
