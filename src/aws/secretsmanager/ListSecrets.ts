import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secrets/ports.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { secretFacts, stagesView } from "./views.ts";

const keys = ["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"] as const;
const sorts = ["created-date", "last-accessed-date", "last-changed-date", "name"] as const;

export const ListSecrets = operation("ListSecrets", {
  input: {
    IncludePlannedDeletion: z.boolean().optional(),
    MaxResults: z.number().int().min(1).max(100).optional(),
    NextToken: z.string().min(1).max(4096).optional(),
    Filters: z
      .array(
        z.object({
          Key: z.enum(keys).optional(),
          Values: z.array(z.string().min(1).max(512)).min(1).max(10).optional(),
        }),
      )
      .max(10)
      .optional(),
    SortOrder: z.enum(["asc", "desc"]).optional(),
    SortBy: z.enum(sorts).optional(),
  },
  needs: onRegistry("secretsmanager:ListSecrets"),
  throws: ["InvalidSecretParameter", "InvalidSecretToken"],
  async run(input, granted, { secrets, paging }) {
    const { IncludePlannedDeletion: withDeleted = false, MaxResults = 100, Filters = [], SortBy, SortOrder } = input;
    const all = (await secrets.list(granted)).filter(
      (secret) => (withDeleted || !secret.deletionAt) && Filters.every((filter) => matches(secret, filter)),
    );
    const order = (one: Place, other: Place) => compare(one, other, SortBy) * (SortOrder === "asc" ? 1 : -1);
    const sorted = all.sort(order);
    const { items, nextToken } = await paging.page({
      of: ["ListSecrets", granted.registry, withDeleted, Filters, SortBy, SortOrder],
      nextToken: input.NextToken,
      limit: MaxResults,
      // The last one of the page before may be gone by now; where it was is known all the same.
      read: async (after: readonly [string, number, number] | undefined, limit) => {
        const last = after && { name: after[0], createdAt: new Date(after[1]), changedAt: new Date(after[2]) };
        return sorted.filter((secret) => !last || order(secret, last) > 0).slice(0, limit);
      },
      keyOf: ({ name, createdAt, changedAt }) => [name, createdAt.getTime(), changedAt.getTime()] as const,
      invalidToken: () => refuse("InvalidSecretToken"),
    });
    const versions = await secrets.versions(items);
    const SecretList = items.map((secret) => ({
      ...secretFacts(secret),
      SecretVersionsToStages: stagesView(versions.get(secret.id)),
    }));
    return { SecretList, NextToken: nextToken };
  },
});

type Filter = { readonly Key?: (typeof keys)[number]; readonly Values?: readonly string[] };

/** Each value is the beginning of what it matches, or with `!` before it of what it does not (API reference, Filter). */
function matches(secret: Secret, { Key: key = "all", Values: values = [] }: Filter): boolean {
  const texts = textsOf(secret, key);
  const begins = (value: string) => texts.some((text) => text.startsWith(value));
  return values.some((value) => (value.startsWith("!") ? !begins(value.slice(1)) : begins(value)));
}

function textsOf(secret: Secret, key: (typeof keys)[number]): readonly string[] {
  switch (key) {
    case "name":
      return [secret.name];
    case "description":
      return secret.description === undefined ? [] : [secret.description];
    case "tag-key":
      return [...secret.tags.keys()];
    case "tag-value":
      return [...secret.tags.values()];
    case "all":
      return [secret.name, secret.description ?? "", ...secret.tags.keys(), ...secret.tags.values()];
    default:
      return [];
  }
}

type Place = Pick<Secret, "name" | "createdAt" | "changedAt">;

function compare(one: Place, other: Place, by: (typeof sorts)[number] = "created-date"): number {
  const byName = one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
  if (by === "name") return byName;
  const key = by === "created-date" ? "createdAt" : "changedAt";
  return one[key].getTime() - other[key].getTime() || byName;
}
