import { type Bench, Samples } from "../bench.ts";
import { type Answer, Connection } from "../load/connection.ts";
import { createSigner, type Signer } from "../load/signer.ts";
import { key, startBerth } from "../peers/berth.ts";
import { count, type SeededStore } from "./seeded-store.ts";

const pollMs = 20;
/** ECR's clients ask for no more than so many images in one preview page. */
const pageSize = 100;
const largest = 100_000;

/**
 * What a person waits for: from StartLifecyclePolicyPreview until GetLifecyclePolicyPreview answers the first page of a
 * preview that is complete. Half of the images would go.
 */
export async function measurePreviews(bench: Bench, store: SeededStore): Promise<void> {
  const data = await store.data();
  const berth = await startBerth(data);
  const connection = new Connection(berth.origin);
  const signer = createSigner({ ...key, host: new URL(berth.origin).host });
  const samples = new Samples();
  try {
    // Round 0 warms up.
    for (let round = 0; round <= bench.options.rounds; round++) {
      for (const { name, images } of store.repositories) {
        if (images > largest) continue;
        bench.progress(`lifecycle: previews of ${count(images)} images, round ${round} of ${bench.options.rounds}`);
        const begun = performance.now();
        await preview(connection, signer, name, images);
        const subject = `berth, ${count(images)} images`;
        if (round > 0) samples.add("lifecycle preview, ms", subject, performance.now() - begun);
      }
    }
    bench.record("peak memory after previews, MiB", `berth, ${count(largest)} images`, berth.memory().peakMib);
  } finally {
    connection.close();
    await berth.stop();
  }
  samples.record(bench);
}

async function preview(connection: Connection, signer: Signer, repositoryName: string, images: number): Promise<void> {
  const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber: images >> 1 };
  const rules = [{ rulePriority: 1, selection, action: { type: "expire" } }];
  const lifecyclePolicyText = JSON.stringify({ rules });
  ok(await connection.ask(signer("StartLifecyclePolicyPreview", { repositoryName, lifecyclePolicyText })));
  for (;;) {
    const answer = await connection.ask(signer("GetLifecyclePolicyPreview", { repositoryName, maxResults: pageSize }));
    const { status, summary } = JSON.parse(ok(answer).body.toString());
    if (status === "COMPLETE") {
      const { expiringImageTotalCount } = summary;
      if (expiringImageTotalCount === images - (images >> 1)) return;
      throw new Error(`a preview of ${images} images lets ${expiringImageTotalCount} go`);
    }
    if (status !== "IN_PROGRESS") throw new Error(`a preview of ${images} images is ${status}`);
    await Bun.sleep(pollMs);
  }
}

function ok(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`a preview answered ${answer.status}: ${answer.body}`);
  return answer;
}
