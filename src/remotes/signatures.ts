import { type CompactVerifyResult, compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import { type SignatureVerdict, signatureAlgorithms } from "../domain/identity/web-identity.ts";
import { NotFetched } from "./exchange.ts";

export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Each token without a key id may be tried with all of them. */
const maxKeys = 100;

/** @throws NotFetched for what is no key set, or a very large one */
export function keySetIn(value: Record<string, unknown>): KeySet {
  if (Array.isArray(value.keys) && value.keys.length > maxKeys) throw new NotFetched(`more than ${maxKeys} keys`);
  try {
    return createLocalJWKSet(value as unknown as JSONWebKeySet);
  } catch (error) {
    throw new NotFetched("no key set", { cause: error });
  }
}

/** What the keys say of a token's signature. */
export async function verify(keys: KeySet, token: string): Promise<SignatureVerdict | "unknown key"> {
  try {
    const { payload } = await verifyWith(keys, token);
    return { state: "good", payload };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return "unknown key";
    if (error instanceof errors.JOSEError) return { state: "bad" };
    // A key that cannot be used, such as one that is too short.
    if (error instanceof TypeError || error instanceof DOMException) return { state: "bad" };
    throw error;
  }
}

/** A token without a key id may be by any of the keys that fit its algorithm. */
async function verifyWith(keys: KeySet, token: string): Promise<CompactVerifyResult> {
  const options = { algorithms: [...signatureAlgorithms] };
  try {
    return await compactVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await compactVerify(token, key, options);
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}
