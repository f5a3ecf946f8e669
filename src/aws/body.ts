import { CallRefused } from "./errors.ts";

/**
 * The whole body, which a signature always covers.
 * @throws CallRefused("TooLarge") before more than the limit is kept, CallRefused("Unreadable") when the client goes away
 */
export async function readBody(request: Request, limitBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Uint8Array[] = [];
  let receivedBytes = 0;
  for await (const chunk of bodyOf(request)) {
    receivedBytes += chunk.length;
    if (receivedBytes > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function* bodyOf({ body }: Request): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of body ?? []) yield chunk;
  } catch {
    throw new CallRefused("Unreadable", "The request body ended early.");
  }
}

function tooLarge(limitBytes: number): CallRefused {
  return new CallRefused("TooLarge", `The request body is larger than the limit of ${limitBytes} bytes.`);
}
