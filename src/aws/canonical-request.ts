import { createHash } from "node:crypto";
import { encodeStrictly, type Pairs } from "./urlencoded.ts";

/**
 * The text that a SigV4 signature is over (IAM user guide, "Create a signed AWS API request", step 1), in the flavour
 * of every service but S3: the path is normalized and encoded once more.
 */
export interface CanonicalParts {
  readonly method: string;
  /** As it came, percent-encoded. */
  readonly path: string;
  readonly query: Pairs;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly payloadHash: string;
}

export function canonicalRequest({ method, path, query, headers, payloadHash }: CanonicalParts): string {
  return [
    method,
    canonicalPath(path),
    canonicalQuery(query),
    ...headers.map(([name, value]) => `${name}:${canonicalValue(value)}`),
    "",
    headers.map(([name]) => name).join(";"),
    payloadHash,
  ].join("\n");
}

function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(encodeStrictly(segment));
  }
  if (segments.length === 0) return "/";
  return `/${segments.join("/")}${path.endsWith("/") ? "/" : ""}`;
}

/** Sorted by encoded name, then by encoded value. The signature itself is not signed. */
function canonicalQuery(query: Pairs): string {
  return query
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encodeStrictly(name), encodeStrictly(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => order(nameA, nameB) || order(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalValue(value: string): string {
  return value.replace(/[ \t]+/g, " ").replace(/^ | $/g, "");
}

export function sha256Hex(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
