import { type Bench, Samples } from "../bench.ts";
import { type Answer, Connection, encodeRequest } from "../load/connection.ts";
import { createSigner, type Signer } from "../load/signer.ts";
import { key, startBerth } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";
import { type SeededRepository, seededTag } from "../seed.ts";
import { count, type SeededStore } from "./seeded-store.ts";

/** What clients get who do not ask for more. */
const pageSize = 100;
const requestsPerRound = 50;

interface List {
  readonly name: string;
  readonly repository: SeededRepository;
  /** Signed when it is sent: a signature is good for five minutes. */
  request(): Buffer;
}

/** The first page and one from the middle of each list, one request at a time over HTTP, signed as the SDKs do. */
export async function measurePages(bench: Bench, store: SeededStore): Promise<void> {
  const data = await store.data();
  const berth = await startBerth(data);
  try {
    await measure(bench, berth, store.repositories);
    bench.record(
      "peak memory after listing, MiB",
      `berth with ${count(bench.options.images)} images`,
      berth.memory().peakMib,
    );
  } finally {
    await berth.stop();
  }
}

async function measure(bench: Bench, berth: Peer, repositories: readonly SeededRepository[]): Promise<void> {
  const connection = new Connection(berth.origin);
  const signer = createSigner({ ...key, host: new URL(berth.origin).host });
  const lists: List[] = [];
  for (const repository of repositories) {
    bench.progress(`pages: looking for the middle of ${count(repository.images)} images`);
    lists.push(...tagLists(berth, repository), ...(await apiLists(connection, signer, repository)));
  }
  const samples = new Samples();
  const { rounds } = bench.options;
  for (let round = 0; round <= rounds; round++) {
    bench.progress(`pages: round ${round} of ${rounds}`);
    // One by one in turns, so that whatever else the machine does falls on all sizes alike.
    for (let turn = 0; turn < requestsPerRound; turn++) {
      for (const list of lists) {
        const request = list.request();
        const begun = performance.now();
        ok(await connection.ask(request));
        const subject = `berth with ${count(list.repository.images)} images`;
        // The round before the first one warms up.
        if (round > 0) samples.add(list.name, subject, performance.now() - begun);
      }
    }
  }
  connection.close();
  samples.record(bench);
}

function tagLists({ origin, authorization }: Peer, repository: SeededRepository): List[] {
  const { host } = new URL(origin);
  const path = `/v2/${repository.name}/tags/list?n=${pageSize}`;
  const request = (query: string) => {
    const encoded = encodeRequest("GET", host, path + query, { Authorization: authorization });
    return () => encoded;
  };
  const middle = seededTag(repository.images >> 1);
  return [
    { name: "tags/list, first page, ms", repository, request: request("") },
    { name: "tags/list, middle page, ms", repository, request: request(`&last=${middle}`) },
  ];
}

async function apiLists(connection: Connection, signer: Signer, repository: SeededRepository): Promise<List[]> {
  const lists: List[] = [];
  for (const operation of ["ListImages", "DescribeImages"]) {
    const input = { repositoryName: repository.name, maxResults: pageSize };
    const nextToken = await middleToken(connection, signer, operation, repository);
    lists.push(
      { name: `${operation}, first page, ms`, repository, request: () => signer(operation, input) },
      { name: `${operation}, middle page, ms`, repository, request: () => signer(operation, { ...input, nextToken }) },
    );
  }
  return lists;
}

/** Tokens are opaque, so the middle is reached as a client would: page by page. */
async function middleToken(connection: Connection, signer: Signer, operation: string, repository: SeededRepository) {
  const maxResults = Math.min(1000, repository.images >> 1);
  let nextToken: string | undefined;
  for (let passed = 0; passed < repository.images >> 1; passed += maxResults) {
    const answer = await connection.ask(signer(operation, { repositoryName: repository.name, maxResults, nextToken }));
    nextToken = (JSON.parse(ok(answer).body.toString()) as { nextToken?: string }).nextToken;
  }
  return nextToken;
}

function ok(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`a list answered ${answer.status}: ${answer.body}`);
  return answer;
}
