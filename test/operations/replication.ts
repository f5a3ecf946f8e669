import {
  PutReplicationConfigurationCommand,
  StartReplicationBackfillCommand,
  StopReplicationBackfillCommand,
} from "@aws-sdk/client-ecr";
import { account } from "../support/berth.ts";
import { invalid, missingImage, missingRepository, noImageId, type Rows, type World } from "./row.ts";

const to = (region: string) => ({ region, registryId: account });
const configuration = (...destinations: object[]) => ({
  replicationConfiguration: {
    rules: [{ destinations, repositoryFilters: [{ filter: "replicated/", filterType: "PREFIX_MATCH" }] }],
  },
});
const missingBackfill = [
  "ReplicationBackfillNotFoundException",
  { replicationBackfillId: "00000000-0000-4000-8000-000000000000" },
] as const;

let regions = 0;
/** There is one backfill at a time to a destination. */
async function newDestination(world: World) {
  const destination = to(`eu-west-${++regions}`);
  await world.send(new PutReplicationConfigurationCommand(configuration(destination) as never));
  return destination;
}

async function started(world: World) {
  const destination = await newDestination(world);
  const { replicationBackfillId } = await world.send(new StartReplicationBackfillCommand({ destination }));
  return { replicationBackfillId };
}

/** A registry has few that have not ended. */
async function stopped(world: World) {
  const backfill = await started(world);
  await world.send(new StopReplicationBackfillCommand(backfill));
  return backfill;
}

export const replicationRows = {
  PutReplicationConfiguration: {
    good: () => configuration(to("eu-west-1")) as never,
    has: ["replicationConfiguration"],
    bad: {
      "a registry that replicates to itself": invalid(configuration(to("us-east-1"))),
      "a region that is none": invalid(configuration(to("EU"))),
      "too many destinations": [
        "ValidationException",
        configuration(...Array.from({ length: 26 }, (_, index) => to(`eu-west-${index + 1}`))),
      ],
    },
  },
  DescribeImageReplicationStatus: {
    async good(world) {
      const { repositoryName, imageTag } = await world.image();
      return { repositoryName, imageId: { imageTag } };
    },
    has: ["repositoryName", "imageId", "replicationStatuses"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": missingImage,
      "no image": noImageId,
    },
  },
  StartReplicationBackfill: {
    good: async (world) => ({ destination: await newDestination(world) }),
    has: ["replicationBackfillId"],
    bad: {
      "a destination of no rule": invalid({ destination: to("ap-south-1") }),
      "a second one meanwhile": [
        "ReplicationBackfillInProgressException",
        async (good, world) => {
          await world.send(new StartReplicationBackfillCommand(good));
          return good;
        },
      ],
    },
  },
  StopReplicationBackfill: {
    good: started,
    has: ["replicationBackfillId"],
    bad: {
      "a backfill that is missing": missingBackfill,
      "one that has ended": ["ReplicationBackfillInvalidStatusException", (_, world) => stopped(world)],
    },
  },
  ListReplicationBackfills: {
    async good(world) {
      await stopped(world);
      return { maxResults: 50 };
    },
    has: ["backfills"],
    bad: {
      "a page that is too long": invalid({ maxResults: 51 }),
      "another's token": invalid({ nextToken: "forged" }),
    },
  },
  DescribeReplicationBackfillResults: {
    good: stopped,
    has: ["results"],
    bad: {
      "a backfill that is missing": missingBackfill,
      "an unknown filter": invalid({ resultStatusFilter: "SOME" }),
      "another's token": invalid({ nextToken: "forged" }),
    },
  },
} satisfies Rows;
