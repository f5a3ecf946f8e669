import { z } from "zod";
import { wrongType } from "./input.ts";

/** Base64 on the wire, strictly; the limits are on the bytes. */
export function Blob(maxBytes: number, minBytes = 0) {
  return z.string().transform((text, context): Uint8Array => {
    const bytes = bytesOf(text);
    if (!bytes) {
      context.issues.push({ code: "custom", message: "Not base64", input: "", params: wrongType });
      return z.NEVER;
    }
    const limit = { origin: "string", inclusive: true, input: "" } as const;
    if (bytes.length > maxBytes) context.issues.push({ ...limit, code: "too_big", maximum: maxBytes });
    if (bytes.length < minBytes) context.issues.push({ ...limit, code: "too_small", minimum: minBytes });
    return bytes;
  });
}

function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(base64, { lastChunkHandling: "strict" });
  } catch {
    return undefined;
  }
}
