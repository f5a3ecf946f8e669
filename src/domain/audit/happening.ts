import type { Decision } from "../../policy/question.ts";
import type { Arrival, Need, Principal } from "../access.ts";
import type { Denial } from "../errors.ts";
import type { AccountId, Digest, Region } from "../names.ts";

/** What a surface tells of one request. A few references and no bytes: it waits in memory until it is written. */
export interface Happening {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  readonly arrival: Pick<Arrival, "requestId" | "sourceIp" | "userAgent" | "secureTransport" | "certificate">;
  readonly who: Who;
  /** Whose content was meant, and where. */
  readonly account: AccountId;
  readonly region: Region;
  /** As in IAM actions: `ecr`. */
  readonly service: string;
  /** As AWS names it: `BatchGetImage`. */
  readonly operation: string;
  readonly readOnly: boolean;
  /** Both through `shown`, for whatever a client may send or get. */
  readonly input?: unknown;
  readonly output?: unknown;
  readonly needs?: readonly Need[];
  /** What was decided for each need; absent when it never came to that. */
  readonly decisions?: readonly Decision[];
  readonly failure?: Failure;
  /** How the registry was asked, over HTTP: `GET /v2/app/manifests/1`. */
  readonly route?: string;
  /** Of what no request asked for: its details, in place of input and output. */
  readonly serviceEvent?: object;
  /** What a tag led to. */
  readonly digest?: Digest | string;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Where the gate said no. */
  readonly denial?: Denial;
}

export type Who =
  | {
      readonly principal: Principal;
      readonly accessKeyId?: string;
      readonly method?: AuthenticationMethod;
    }
  /** Nobody was believed. */
  | { readonly claimed: Claimed | undefined };

/** A key that somebody named without proving to hold it; only where it is well-formed or known. */
export interface Claimed {
  readonly accessKeyId: string;
  readonly account?: AccountId;
}

export type AuthenticationMethod =
  | "AuthHeader"
  | "QueryString"
  | "AuthorizationToken"
  | "BearerToken"
  | "AccessKey"
  | "DownloadUrl"
  | "ClientCertificate";

/** What stands where a key id should may be anything, a password too: only what looks like one is kept. */
export function claimedKey(text: string): Claimed | undefined {
  return /^A[KS]IA[A-Z0-9]{12,124}$/.test(text) ? { accessKeyId: text } : undefined;
}
