import { expect, test } from "bun:test";
import { CannotListen } from "./listener.ts";
import { createMetrics, sumMetrics } from "./metrics.ts";

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

test("jobs are counted as they are now, and their attempts timed", async () => {
  const metrics = createMetrics(() => 0);
  metrics.jobEnded({ kind: "a.b", outcome: "done", ms: 50 });
  metrics.jobsCounted([
    { kind: "a.b", state: "dead", jobs: 2 },
    { kind: "a.b", state: "waiting", jobs: 3 },
  ]);
  metrics.jobsCounted([{ kind: "a.b", state: "waiting", jobs: 1 }]);
  const { url, stop } = metrics.listen({ host: "127.0.0.1", port: 0 });
  const text = await (await fetch(url)).text();
  expect(text).toContain('berth_job_seconds_bucket{le="0.1",kind="a.b",outcome="done"} 1');
  expect(text).toContain('berth_jobs{kind="a.b",state="waiting"} 1');
  expect(text).not.toContain('state="dead"');
  await stop();
});

test("usage is what the newest measurement says, and names are those that it has", async () => {
  const metrics = createMetrics(() => 0);
  const figures = {
    repositories: 2,
    images: 3,
    archivedImages: 1,
    layerBytes: 100,
    uniqueBytes: 40,
    archivedBytes: 10,
    logicalBytes: 160,
    manifestBytes: 5,
    waitingBytes: 7,
  };
  const area = { account: "000000000001", region: "us-east-1", repository: "" };
  const entryOf = (repository: string) => ({ area: { ...area, repository }, figures });
  const run = { finishedAt: new Date(5_000) };
  const registries = [entryOf("")];
  metrics.used({ run, total: figures, registries, repositories: [entryOf("old")] });
  metrics.used({ run, total: { ...figures, images: 4 }, registries, repositories: [entryOf("new")] });
  const { url, stop } = metrics.listen({ host: "127.0.0.1", port: 0 });
  const text = await (await fetch(url)).text();
  expect(text).toContain('berth_usage_bytes{kind="logical"} 160');
  expect(text).toContain('berth_usage_count{kind="images"} 4');
  expect(text).toContain("berth_usage_measured_time_seconds 5\n");
  expect(text).toContain('berth_registry_usage_bytes{account="000000000001",region="us-east-1",kind="waiting"} 7');
  const labels = 'account="000000000001",region="us-east-1",repository="new",kind="unique"';
  expect(text).toContain(`berth_repository_usage_bytes{${labels}} 40`);
  expect(text).not.toContain('repository="old"');
  await stop();
});

test("the metrics of several processes add up, and those of one that is gone are not forgotten", async () => {
  const [first, second, third] = [createMetrics(() => 2), createMetrics(() => 3), createMetrics(() => 9)];
  first.observe({ route: "registry", operation: "blob.read", status: 200, ms: 2 });
  second.observe({ route: "registry", operation: "blob.read", status: 200, ms: 700 });
  second.observe({ route: "api", status: 400, ms: 1 });
  third.observe({ route: "registry", operation: "blob.read", status: 200, ms: 2 });
  const sums = sumMetrics(async () => [
    { worker: "1", counted: structuredClone(await first.count()) },
    { worker: "2", counted: await second.count() },
  ]);
  const { url, stop } = sums.listen({ host: "127.0.0.1", port: 0 });
  const before = await (await fetch(url)).text();
  expect(before).toContain('berth_http_requests_total{surface="registry",operation="blob.read",status="200"} 2');
  expect(before).toContain('berth_http_requests_total{surface="api",operation="",status="400"} 1');
  expect(before).toContain('berth_http_request_seconds_bucket{le="0.0025",surface="registry"} 1');
  expect(before).toContain('berth_http_request_seconds_bucket{le="+Inf",surface="registry"} 2');
  expect(before).toContain("berth_http_requests_in_flight 5\n");
  expect(before).toMatch(/process_resident_memory_bytes\{worker="1"\} \d{7,}/);

  const gone = await third.count();
  sums.remember(gone);
  sums.remember(gone);
  const after = await (await fetch(url)).text();
  expect(after).toContain('berth_http_requests_total{surface="registry",operation="blob.read",status="200"} 4');
  expect(after).toContain('berth_http_request_seconds_bucket{le="0.0025",surface="registry"} 3');
  expect(after).toContain("berth_http_requests_in_flight 5\n");
  await stop();
});
