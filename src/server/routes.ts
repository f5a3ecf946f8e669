import type { ClientCertificate } from "./client-certificate.ts";

/** What is known of a request before anybody is authenticated (structurally the domain's `Arrival`). */
export interface Arrival {
  readonly requestId: string;
  readonly sourceIp: string;
  readonly secureTransport: boolean;
  readonly userAgent?: string;
  /** What its client has proved to hold the key of. Absent where certificates say nothing of who somebody is. */
  readonly certificate?: ClientCertificate;
  /** Adds facts to the request's log line. Never a secret. */
  note(facts: Record<string, string | number | boolean>): void;
  /** The bytes of the request's body, for as long as they come at the least pace. Reading them otherwise is timed by Bun. */
  readonly paced?: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

export type Surface = (request: Request, arrival: Arrival) => Promise<Response>;

export interface Surfaces {
  /** The data plane, `/v2/…`. */
  registry: Surface;
  /** The AWS APIs, `POST /`, and their `GET /?Action=…` form. */
  api: Surface;
  /** What each says to a request for which there is no room. */
  busy?: { registry: Surface; api: Surface };
}

export interface Health {
  /** Resolves when requests can be served. The `name` of what it throws is shown to everybody. */
  ready(): Promise<void>;
  readyTimeoutMs: number;
}

/** The path of a URL as Bun gives it, or of a bare target, which is what a request without a `Host` has. */
export function pathOf(url: string): string {
  const [target = ""] = url.split(/[?#]/, 1);
  const start = target.startsWith("/") ? 0 : target.indexOf("/", target.indexOf("://") + 3);
  return start < 0 ? "/" : target.slice(start);
}

/** The routes of the surfaces. */
type Surfaced = Exclude<keyof Surfaces, "busy">;

export type Route = Surfaced | "health" | "ready" | "about" | "nowhere";

export function routeOf(method: string, url: string): Route {
  const path = pathOf(url);
  if (path === "/v2" || path.startsWith("/v2/")) return "registry";
  const reading = method === "GET" || method === "HEAD";
  if (path === "/healthz" && reading) return "health";
  if (path === "/readyz" && reading) return "ready";
  if (path === "/" && (method === "POST" || (method === "GET" && url.includes("?")))) return "api";
  if (path === "/" && reading) return "about";
  return "nowhere";
}

const about = `This is Berth, a container registry that speaks Amazon ECR's APIs.

  /v2/      the OCI distribution API, for docker, podman, helm, oras, ...
  POST /    the AWS APIs, for the AWS CLI, the AWS SDKs and Terraform
  /healthz  whether the process runs
  /readyz   whether it can serve requests
`;

/** The answers that need no surface. */
export async function answerPlainly(route: Exclude<Route, Surfaced>, health: Health): Promise<Response> {
  switch (route) {
    case "health":
      return Response.json({ status: "ok" });
    case "ready":
      return readiness(health);
    case "about":
      return new Response(about, { headers: { "content-type": "text/plain; charset=utf-8" } });
    case "nowhere":
      return Response.json({ message: "There is nothing here" }, { status: 404 });
  }
}

async function readiness({ ready, readyTimeoutMs }: Health): Promise<Response> {
  let timer: Timer | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error("no answer in time"), { name: "Timeout" })),
      readyTimeoutMs,
    );
  });
  try {
    await Promise.race([ready(), tooLong]);
    return Response.json({ status: "ready" });
  } catch (error) {
    // The message may name hosts and files; everybody can ask this.
    return Response.json(
      { status: "unavailable", reason: error instanceof Error ? error.name : "Error" },
      { status: 503 },
    );
  } finally {
    clearTimeout(timer);
  }
}
