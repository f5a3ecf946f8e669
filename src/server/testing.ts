import { connect } from "node:net";
import { createLog, type Log } from "./log.ts";

/** For the tests of this folder: a client that says exactly what it is told to, and a log that can be read. */

export interface RawAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
  /** Whether the connection was cut rather than closed. */
  cut: boolean;
}

/** Sends the bytes as they are and reads until the server closes the connection. */
export function exchange(port: number, head: string, body: Uint8Array | string = ""): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    let cut = false;
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${head.trim().replaceAll(/\r?\n\s*/g, "\r\n")}\r\nConnection: close\r\n\r\n`);
      socket.write(body);
    });
    socket.on("data", (bytes: Buffer) => received.push(bytes));
    socket.on("error", () => {
      cut = true;
    });
    socket.on("close", () => resolve({ ...parseAnswer(Buffer.concat(received)), cut }));
  });
}

function parseAnswer(bytes: Buffer): Omit<RawAnswer, "cut"> {
  const end = bytes.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = bytes.subarray(0, Math.max(end, 0)).toString("latin1").split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => [line.split(":")[0] ?? "", line.replace(/^[^:]*:\s*/, "")]),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: bytes.subarray(end + 4) };
}

export function recordingLog(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { lines, log: createLog({ level: "debug", format: "json", write: (line) => lines.push(JSON.parse(line)) }) };
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 5000) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(5);
  }
}
