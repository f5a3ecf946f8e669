import type { ReplicationConfiguration } from "@aws-sdk/client-ecr";
import { z } from "zod";
import type { Region } from "../../domain/names.ts";
import type { Destination, ReplicationRule } from "../../domain/replication/ports.ts";
import { pattern } from "../input.ts";
import { RegistryId } from "./shapes.ts";

/** Of replication rules and backfills (ECR API reference, ReplicationConfiguration). */

const prefixPattern = "(?:[a-z0-9]+(?:[._-][a-z0-9]*)*/)*[a-z0-9]*(?:[._-][a-z0-9]*)*";

export const ReplicationDestination = z.object({
  region: pattern("[0-9a-z-]{2,25}").min(2).max(25),
  registryId: RegistryId,
});

export const ReplicationRules = z
  .array(
    z.object({
      destinations: z.array(ReplicationDestination).max(100),
      repositoryFilters: z
        .array(z.object({ filter: pattern(prefixPattern).min(2).max(256), filterType: z.enum(["PREFIX_MATCH"]) }))
        .min(1)
        .max(100)
        .optional(),
    }),
  )
  .max(10);

/** A region that is none is for the domain to refuse. */
export function toDestination({ region, registryId }: z.output<typeof ReplicationDestination>): Destination {
  return { account: registryId, region: region as Region };
}

export function toRules(rules: z.output<typeof ReplicationRules>): ReplicationRule[] {
  return rules.map(({ destinations, repositoryFilters = [] }) => ({
    destinations: destinations.map(toDestination),
    prefixes: repositoryFilters.map(({ filter }) => filter),
  }));
}

export function destinationView({ account, region }: Destination) {
  return { region, registryId: account };
}

export function configurationView(rules: readonly ReplicationRule[]): ReplicationConfiguration {
  return {
    rules: rules.map(({ destinations, prefixes }) => ({
      destinations: destinations.map(destinationView),
      repositoryFilters:
        prefixes.length > 0 ? prefixes.map((filter) => ({ filter, filterType: "PREFIX_MATCH" })) : undefined,
    })),
  };
}

/** Any text: what is no id of ours names none. */
export const BackfillId = z.string().min(1).max(64);
