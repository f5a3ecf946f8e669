import type { z } from "zod";
import { CallRefused } from "../errors.ts";
import { defaultBodyBytes } from "../operation.ts";
import type { QueryService } from "../service.ts";
import { type Pairs, parsePairs } from "../urlencoded.ts";
import type { Protocol } from "./protocol.ts";
import { element, escapeText } from "./xml.ts";

const faultNamespace = "http://webservices.amazon.com/AWSFault/2005-15-09";
const maxDepth = 16;

/** The Query protocol (Smithy, "AWS Query protocol"): parameters in a form or a query string, answers in XML. */
export function createQuery(services: readonly QueryService[]): Protocol {
  return {
    // The operation is named inside the body. None has a large one.
    maxBodyBytes: () => defaultBodyBytes,
    clockSkewMinutes: 15,
    missingTokenText: "Request is missing Authentication Token",
    faults: {
      MissingToken: ["MissingAuthenticationToken", 403],
      IncompleteSignature: ["IncompleteSignature", 400],
      UnknownToken: ["InvalidClientTokenId", 403],
      ExpiredToken: ["ExpiredToken", 403],
      SignatureMismatch: ["SignatureDoesNotMatch", 403],
      AccessDenied: ["AccessDenied", 403],
      MissingOperation: ["MissingAction", 400],
      UnknownOperation: ["InvalidAction", 400],
      Unreadable: ["MalformedInput", 400],
      TooLarge: ["RequestEntityTooLarge", 413],
      Busy: ["ServiceUnavailable", 503],
      Internal: ["InternalFailure", 500],
    },
    async find(request, body) {
      const pairs = parsePairs(request.method === "GET" ? new URL(request.url).search.slice(1) : textOf(body));
      const parameters = treeOf(pairs);
      const action = parameters.members.get("Action")?.text;
      const version = parameters.members.get("Version")?.text ?? "NO_VERSION_SPECIFIED";
      if (!action) {
        throw new CallRefused("MissingOperation", "The request is missing an action or a required parameter.");
      }
      const service = services.find((candidate) => candidate.version === version);
      const operation = (await service?.operations())?.get(action);
      if (!service || !operation) {
        throw new CallRefused("UnknownOperation", `Could not find operation ${action} for version ${version}`);
      }
      return { service, operation, decode: () => decodeNode(operation.schema, parameters) };
    },
    encode(output, { operation, service }, requestId) {
      const { name } = operation;
      const { namespace } = service as QueryService;
      const result = output === undefined ? "" : element(`${name}Result`, output);
      const metadata = element("ResponseMetadata", { RequestId: requestId });
      return respond(200, `<${name}Response xmlns="${namespace}">${result}${metadata}</${name}Response>`, requestId);
    },
    encodeError({ name, status, message, members }, call, requestId) {
      const namespace = call ? (call.service as QueryService).namespace : faultNamespace;
      const error = { Type: status < 500 ? "Sender" : "Receiver", Code: name, Message: message, ...members };
      const content = element("Error", error) + element("RequestId", requestId);
      return respond(status, `<ErrorResponse xmlns="${escapeText(namespace)}">${content}</ErrorResponse>`, requestId);
    },
  };
}

/** `Tags.member.1.Key=a` as a tree: each node has the text that ended there and what goes on from it. */
interface Node {
  text?: string;
  readonly members: Map<string, Node>;
}

function treeOf(pairs: Pairs): Node {
  const root: Node = { members: new Map() };
  for (const [name, text] of pairs) {
    let node = root;
    const steps = name.split(".");
    if (steps.length > maxDepth) throw unreadable(`nested deeper than ${maxDepth} levels`);
    for (const step of steps) {
      const next = node.members.get(step) ?? { members: new Map() };
      node.members.set(step, next);
      node = next;
    }
    if (node.text !== undefined) throw unreadable("a parameter is given twice");
    node.text = text;
  }
  return root;
}

/** Forms have only text, so the shape says what each text stands for. What does not fit is left for the shape to refuse. */
function decodeNode(schema: z.core.$ZodType, node: Node | undefined): unknown {
  if (!node) return undefined;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "optional":
      return decodeNode(def.innerType, node);
    case "pipe":
      return decodeNode(def.in, node);
    case "object":
      return Object.fromEntries(
        Object.entries(def.shape).map(([name, member]) => [name, decodeNode(member, node.members.get(name))]),
      );
    case "array": {
      const members = node.members.get("member")?.members ?? new Map<string, Node>();
      const inOrder = [...members].sort(([a], [b]) => Number(a) - Number(b));
      return inOrder.map(([, member]) => decodeNode(def.element, member));
    }
    case "number":
      return /^-?\d{1,15}$/.test(node.text ?? "") ? Number(node.text) : node.text;
    case "boolean":
      return node.text === "true" ? true : node.text === "false" ? false : node.text;
    default:
      return node.text;
  }
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw unreadable("not UTF-8");
  }
}

function respond(status: number, xml: string, requestId: string): Response {
  return new Response(xml, { status, headers: { "Content-Type": "text/xml", "x-amzn-RequestId": requestId } });
}

function unreadable(reason: string): CallRefused {
  return new CallRefused("Unreadable", `The request parameters cannot be read: ${reason}`);
}
