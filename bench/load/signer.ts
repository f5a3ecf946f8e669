import { createHash, createHmac } from "node:crypto";

const service = "AmazonEC2ContainerRegistry_V20150921";
const contentType = "application/x-amz-json-1.1";

export interface SignerParts {
  readonly accessKeyId: string;
  readonly secret: string;
  /** `host:port` */
  readonly host: string;
  readonly region?: string;
}

/**
 * Calls of Amazon ECR's API as they go over the wire, signed with Signature Version 4. The key of the day is derived
 * once, and the rest is two hashes and an HMAC, so that a load of thousands a second can be signed beside the server.
 */
export function createSigner({ accessKeyId, secret, host, region = "us-east-1" }: SignerParts) {
  let day = "";
  let key: Buffer = Buffer.alloc(0);

  return (operation: string, input: object, now = new Date()): Buffer => {
    const date = now.toISOString().replace(/[-:]|\.\d+/g, "");
    if (!date.startsWith(day) || day === "") {
      day = date.slice(0, 8);
      key = [day, region, "ecr", "aws4_request"].reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
    }
    const body = JSON.stringify(input);
    const target = `${service}.${operation}`;
    const headers = `content-type:${contentType}\nhost:${host}\nx-amz-date:${date}\nx-amz-target:${target}\n`;
    const names = "content-type;host;x-amz-date;x-amz-target";
    const scope = `${day}/${region}/ecr/aws4_request`;
    const canonical = `POST\n/\n\n${headers}\n${names}\n${sha256Hex(body)}`;
    const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256Hex(canonical)}`).toString("hex");
    return Buffer.from(
      `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${contentType}\r\nX-Amz-Date: ${date}\r\n` +
        `X-Amz-Target: ${target}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, ` +
        `SignedHeaders=${names}, Signature=${signature}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  };
}

export type Signer = ReturnType<typeof createSigner>;

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
