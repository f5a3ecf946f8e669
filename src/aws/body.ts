import type { Arrival } from "../domain/access.ts";
import { CallRefused } from "./errors.ts";

/**
 * How many bytes of request bodies are in memory at once, over all calls: a signature covers the whole body, so anybody
 * can make us keep one before we know who it is. The first bytes of each body are free, or a few large ones could shut
 * out every small call.
 */
export interface BodyMemory {
  /** For the body of one call; disposed of when the call has ended. */
  open(): BodyShare;
}

export interface BodyShare extends Disposable {
  /** Answers whether there is room for them. */
  take(sizeBytes: number): boolean;
}

const freeBytes = 64 * 1024;

export function createBodyMemory(limitBytes = Number.POSITIVE_INFINITY): BodyMemory {
  let usedBytes = 0;
  return {
    open() {
      let [receivedBytes, ownBytes] = [0, 0];
      return {
        take(sizeBytes) {
          receivedBytes += sizeBytes;
          const moreBytes = Math.max(0, receivedBytes - freeBytes) - ownBytes;
          if (moreBytes > 0 && usedBytes + moreBytes > limitBytes) return false;
          ownBytes += moreBytes;
          usedBytes += moreBytes;
          return true;
        },
        [Symbol.dispose]() {
          usedBytes -= ownBytes;
          ownBytes = 0;
        },
      };
    },
  };
}

/**
 * The whole body, which a signature always covers.
 * @throws CallRefused("TooLarge") before more than the limit is kept, CallRefused("Busy") when other bodies fill the
 * memory, CallRefused("Unreadable") when the client goes away
 */
export async function readBody(
  request: Request,
  limitBytes: number,
  share: BodyShare,
  paced?: Arrival["paced"],
): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Uint8Array[] = [];
  let receivedBytes = 0;
  for await (const chunk of bodyOf(request, paced)) {
    receivedBytes += chunk.length;
    if (receivedBytes > limitBytes) throw tooLarge(limitBytes);
    if (!share.take(chunk.length)) throw busy();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function* bodyOf({ body }: Request, paced: Arrival["paced"]): AsyncIterable<Uint8Array> {
  if (!body) return;
  try {
    yield* paced ? paced(body) : body;
  } catch {
    throw new CallRefused("Unreadable", "The request body ended early.");
  }
}

function tooLarge(limitBytes: number): CallRefused {
  return new CallRefused("TooLarge", `The request body is larger than the limit of ${limitBytes} bytes.`);
}

function busy(): CallRefused {
  return new CallRefused(
    "Busy",
    "The server is reading as many large requests as it can. Wait a moment and try again.",
  );
}
