/** A keep-alive connection that speaks HTTP by hand: a full client would be the bottleneck of what it measures. */

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly bodiless: boolean;
}

const empty = Buffer.alloc(0);

export class Connection {
  readonly #url: URL;
  #socket: Bun.Socket | undefined;
  #waiting: Waiting | undefined;
  #received: Buffer = empty;
  #unsent: Uint8Array = empty;
  /** What comes after `#unsent`: a block is asked for when the one before has gone. */
  #blocks: Iterator<Uint8Array> | undefined;

  constructor(origin: string) {
    this.#url = new URL(origin);
  }

  /** One request at a time. `bodiless` is for HEAD, whose answer tells the length of a body that does not come. */
  async ask(request: Uint8Array, bodiless = false): Promise<Answer> {
    const socket = this.#socket ?? (await this.#open());
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting = { resolve, reject, bodiless };
    this.#unsent = request;
    this.#send(socket);
    return promise;
  }

  /** The head says how long the body is. */
  askWithBody(head: Uint8Array, blocks: Iterable<Uint8Array>): Promise<Answer> {
    this.#blocks = blocks[Symbol.iterator]();
    return this.ask(head);
  }

  close(): void {
    this.#socket?.end();
    this.#socket = undefined;
  }

  async #open(): Promise<Bun.Socket> {
    const ended = (error?: Error) => {
      this.#socket = undefined;
      this.#take()?.reject(error ?? new Error("connection closed"));
    };
    this.#socket = await Bun.connect({
      hostname: this.#url.hostname,
      port: Number(this.#url.port),
      socket: {
        data: (socket, chunk) => this.#receive(socket, chunk),
        drain: (socket) => this.#send(socket),
        error: (_, error) => ended(error),
        close: () => ended(),
      },
    });
    return this.#socket;
  }

  #send(socket: Bun.Socket): void {
    for (;;) {
      if (this.#unsent.length > 0) this.#unsent = this.#unsent.subarray(Math.max(0, socket.write(this.#unsent)));
      if (this.#unsent.length > 0 || !this.#blocks) return;
      const { value, done } = this.#blocks.next();
      if (done) this.#blocks = undefined;
      else this.#unsent = value;
    }
  }

  #receive(socket: Bun.Socket, chunk: Buffer): void {
    const received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const answer = parseAnswer(received, this.#waiting?.bodiless ?? false);
    // Bun uses the chunk's memory again, so what is kept must be a copy.
    if (!answer) {
      this.#received = received === chunk ? Buffer.from(chunk) : received;
      return;
    }
    this.#received = empty;
    if (/\r\nconnection: *close/i.test(answer.head)) {
      this.#socket = undefined;
      socket.end();
    }
    this.#take()?.resolve(answer);
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}

/** `undefined` while some of it is still to come. */
export function parseAnswer(bytes: Buffer, bodiless: boolean): Answer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const status = Number(head.slice(9, 12));
  const rest = bytes.subarray(end + 4);
  if (bodiless || status === 204 || status === 304) return { status, head, body: empty };
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    return rest.length < Number(length) ? undefined : { status, head, body: Buffer.from(rest) };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { status, head, body: empty };
  const body = dechunk(rest);
  return body && { status, head, body };
}

function dechunk(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const from = lineEnd + 2;
    if (bytes.length < from + size + 2) return undefined;
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(from, from + size));
    at = from + size + 2;
  }
}

export function headerOf({ head }: Answer, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: *([^\\r]+)`, "i").exec(head)?.[1];
}

/** A request as it goes over the wire. */
export function encodeRequest(
  method: string,
  host: string,
  path: string,
  headers: Record<string, string | undefined>,
  body: Uint8Array = empty,
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`];
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) lines.push(`${name}: ${value}`);
  if (body.length > 0 || (method !== "GET" && method !== "HEAD")) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]);
}
