import { expect, test } from "bun:test";
import { CannotListen } from "./listener.ts";
import { createMetrics } from "./metrics.ts";

test("requests are counted and served in Prometheus's format", async () => {
  const metrics = createMetrics(() => 3);
  metrics.observe({ route: "registry", operation: "blob.read", status: 200, ms: 2 });
  metrics.observe({ route: "registry", operation: "blob.read", status: 200, ms: 700 });
  metrics.observe({ route: "api", status: 400, ms: 1 });
  const { url, stop } = metrics.listen({ host: "127.0.0.1", port: 0 });
  const text = await (await fetch(url)).text();
  expect(text).toContain('berth_http_requests_total{surface="registry",operation="blob.read",status="200"} 2');
  expect(text).toContain('berth_http_requests_total{surface="api",operation="",status="400"} 1');
  expect(text).toContain('berth_http_request_seconds_bucket{le="0.0025",surface="registry"} 1');
  expect(text).toContain("berth_http_requests_in_flight 3");
  expect(text).toMatch(/process_resident_memory_bytes \d{7,}/);
  expect((await fetch(new URL("/v2/", url))).status).toBe(404);
  const { port } = new URL(url);
  expect(() => metrics.listen({ host: "127.0.0.1", port: Number(port) })).toThrow(CannotListen);
  await stop();
});
