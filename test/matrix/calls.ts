import { signDraft } from "../../src/aws/test-signer.ts";
import type { ClientCertificate } from "../../src/domain/access.ts";
import { basic, type InProcess } from "../support/berth.ts";
import type { DataRequest, Row } from "./rows.ts";

/** One request of the matrix, made as somebody, and what came of it. */

export interface ApiCall {
  readonly kind: "json" | "query";
  /** As in credential scopes. */
  readonly service: string;
  /** `X-Amz-Target`, or the `Action` and `Version` of the Query protocol. */
  readonly target: string;
  readonly input: object;
}

/** How a caller proves who it is. Nothing at all for the anonymous one. */
export interface Auth {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly sessionToken?: string;
  /** What `docker login` was given, where it differs from the key pair. */
  readonly password?: string;
  /** In place of all that. */
  readonly certificate?: ClientCertificate;
}

export type Outcome =
  /** It got past the gate: what happened then is another test's affair. */
  | { readonly kind: "passed"; readonly text: string }
  | { readonly kind: "unauthenticated" | "expired"; readonly text: string }
  | { readonly kind: "denied"; readonly text: string };

/** @param account whose resources are meant */
export async function call(berth: InProcess, { request }: Row, account: string, auth?: Auth): Promise<Outcome> {
  const response = await answerTo(berth, request, account, auth);
  const text = await response.text();
  return request.kind === "data" ? dataOutcome(response, text) : apiOutcome(response, text);
}

export function answerTo(berth: InProcess, request: Row["request"], account: string, auth?: Auth): Promise<Response> {
  return request.kind === "data" ? data(berth, request, account, auth) : api(berth, request, account, auth);
}

function data(berth: InProcess, { method, path, headers, body }: DataRequest, account: string, auth?: Auth) {
  // A login with a session's keys goes by the password that they were exchanged for.
  const { certificate } = auth ?? {};
  const login =
    auth && !certificate && (auth.password ? basic("AWS", auth.password) : basic(auth.accessKeyId, auth.secret));
  const host = `${account}.dkr.ecr.us-east-1.registry.test`;
  return berth.send(method, path, {
    headers: { host, ...headers, ...(login ? { authorization: login } : {}) },
    body,
    certificate,
  });
}

async function api(berth: InProcess, { kind, service, target, input }: ApiCall, account: string, auth?: Auth) {
  const filled = JSON.parse(JSON.stringify(input).replaceAll("{account}", account)) as Record<string, unknown>;
  const isJson = kind === "json";
  const headers: Record<string, string> = isJson
    ? { "content-type": "application/x-amz-json-1.1", "x-amz-target": target }
    : { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
  const body = isJson ? JSON.stringify(filled) : new URLSearchParams([...form(target), ...flat(filled)]).toString();
  const draft = { method: "POST", path: "/", query: {}, headers: { host: "registry.test", ...headers }, body };
  const { certificate } = auth ?? {};
  const signed = auth && !certificate ? await signDraft(draft, { service, key: auth, signingDate: berth.now }) : draft;
  const { path, headers: sent } = signed;
  return berth.send("POST", path, { headers: sent, body, certificate });
}

function form(target: string): [string, string][] {
  const [action = "", version = ""] = target.split(" ");
  return [
    ["Action", action],
    ["Version", version],
  ];
}

/** `Tags.member.1.Key=a` for lists and structures. */
function flat(value: unknown, name = ""): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => flat(item, `${name}.member.${index + 1}`));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, member]) => flat(member, name === "" ? key : `${name}.${key}`));
  }
  return value === undefined ? [] : [[name, String(value)]];
}

function dataOutcome({ status }: Response, text: string): Outcome {
  if (status === 401) return { kind: "unauthenticated", text };
  if (status === 403 && text.includes("has expired")) return { kind: "expired", text };
  // An answer to HEAD has no body, so its status alone speaks.
  if (status === 403) return { kind: "denied", text };
  return { kind: "passed", text };
}

const unauthenticated = /UnrecognizedClientException|InvalidClientTokenId|MissingAuthenticationToken/;

function apiOutcome(response: Response, text: string): Outcome {
  const error = response.headers.get("x-amzn-errortype") ?? /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? "";
  if (unauthenticated.test(error)) return { kind: "unauthenticated", text };
  if (/^ExpiredToken/.test(error)) return { kind: "expired", text };
  // What KMS denies, other services pass on.
  const isPassedOn = error === "KmsException" && text.includes('"kmsError":"AccessDeniedException"');
  if (isPassedOn || /^AccessDenied/.test(error)) return { kind: "denied", text: text.replaceAll("&apos;", "'") };
  return { kind: "passed", text };
}
