import { connect } from "node:net";

/** A request whose body is sent in two halves: the first when the head has arrived, the second when told to. */
export async function slowRequest(url: URL, head: string, body: string) {
  const socket = connect(Number(url.port), url.hostname);
  const arrived = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  let answer = "";
  socket.on("data", (bytes: Buffer) => {
    answer += bytes.toString();
    if (!answer.startsWith("HTTP/1.1 100 Continue\r\n\r\n")) return;
    answer = answer.slice("HTTP/1.1 100 Continue\r\n\r\n".length);
    socket.write(body.slice(0, 5));
    arrived.resolve();
  });
  socket.on("error", () => {});
  socket.on("close", () => ended.resolve(answer));
  const length = `Content-Length: ${body.length}\r\nExpect: 100-continue`;
  socket.write(`${head}\r\nHost: ${url.host}\r\n${length}\r\nConnection: close\r\n\r\n`);
  await arrived.promise;
  return { finish: () => socket.write(body.slice(5)), ended: ended.promise };
}
