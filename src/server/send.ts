/**
 * Bytes that can reach a socket in one of two ways (structurally the domain's `Content`). A file goes by `sendfile`: its
 * bytes never enter this process.
 */
export type SendableContent =
  | { readonly kind: "file"; readonly path: string; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly sizeBytes: number }
  | {
      readonly kind: "stream";
      readonly stream: () => AsyncIterable<Uint8Array>;
      readonly sizeBytes: number;
      /** Nobody else has the memory of a chunk. It is freed as soon as a socket has the chunk. */
      readonly isGivenAway?: boolean;
    };

export interface SendInit {
  readonly status: number;
  readonly headers: Record<string, string>;
}

/** What `fitToRequest` must know about a response that carries content. */
interface Sent {
  readonly content: SendableContent;
  /** Where an error goes that ends the stream early. Set before the stream is read. */
  report: (cause: unknown) => void;
  /** Whether it goes to a socket. Whoever reads the response in this process may keep the chunks. */
  isServed: boolean;
}

const sent = new WeakMap<Response, Sent>();

/** A response that carries the content. The caller has chosen status, range and headers, and has the last word on them. */
export function sendContent(content: SendableContent, { status, headers: given }: SendInit): Response {
  const headers = new Headers(given);
  // Without one, Bun would name the file after its place in the store.
  if (!headers.has("content-disposition")) headers.set("content-disposition", "attachment");
  if (!headers.has("content-type")) headers.set("content-type", "application/octet-stream");
  const facts: Sent = { content, report: () => {}, isServed: false };
  const response = new Response(bodyOf(content, facts), { status, headers });
  sent.set(response, facts);
  return response;
}

/** The last touch before Bun takes over: what depends on the request rather than on the answer. */
export function fitToRequest(response: Response, request: Request, report: (cause: unknown) => void): Response {
  const facts = sent.get(response);
  if (!facts) return response;
  facts.report = report;
  facts.isServed = true;
  const { content } = facts;
  const { status, headers } = response;
  if (request.method === "HEAD") {
    // Bun keeps a length that is given for no body; for a file it would give the one it finds on the disk.
    headers.set("content-length", String(content.sizeBytes));
    return new Response(null, { status, headers });
  }
  if (content.kind === "file" && status === 200 && slicesByItself(request)) {
    return new Response(
      streamOf(() => fileOf(content).stream(), facts),
      { status, headers },
    );
  }
  return response;
}

/**
 * Bun answers a request for one range of a whole file by itself: 206 where we said 200, even after `If-Range` said no.
 * It leaves several ranges alone (send.test.ts holds it to that), so these are still sent by the kernel.
 */
function slicesByItself(request: Request): boolean {
  const range = request.headers.get("range");
  return range !== null && !range.includes(",");
}

function bodyOf(content: SendableContent, facts: Sent): Bun.BodyInit | null {
  if (content.sizeBytes === 0) return null;
  if (content.kind === "bytes") return content.bytes as Bun.BodyInit;
  return content.kind === "file" ? fileOf(content) : streamOf(content.stream, facts);
}

function fileOf({ path, offset, sizeBytes }: SendableContent & { kind: "file" }): Blob {
  return Bun.file(path).slice(offset, offset + sizeBytes);
}

/**
 * One chunk at a time, when the socket has room; a direct stream takes half as much work as one with a queue. Bun sends
 * a stream in chunked encoding and drops a content-length that is given (oven-sh/bun#10507): a stream that fails leaves
 * the encoding without its end, so no client takes the part for the whole.
 */
function streamOf(open: () => AsyncIterable<Uint8Array>, facts: Sent): ReadableStream<Uint8Array> {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  let isCancelled = false;
  return new ReadableStream<Uint8Array>({
    type: "direct",
    async pull(controller) {
      try {
        chunks = open()[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = await chunks.next();
          if (done || isCancelled) break;
          // A promise when the socket is full, kept when it has room again or is closed.
          await controller.write(value);
          await controller.flush();
          if (facts.isServed && facts.content.kind === "stream" && facts.content.isGivenAway) free(value);
        }
      } catch (cause) {
        facts.report(cause);
        // Bun cuts the connection.
        throw cause;
      }
      if (!isCancelled) controller.close();
    },
    async cancel() {
      isCancelled = true;
      await chunks?.return?.();
    },
  });
}

/** What is smaller may lie in memory that is shared with others, and is not worth it. */
const freedBytes = 64 * 1024;

/**
 * Gives memory back that the collector would find only later: until then each chunk takes fresh pages, which the kernel
 * fills with zeros first. Bun has copied what the socket did not take.
 */
function free({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength >= freedBytes) buffer.transfer(0);
}
