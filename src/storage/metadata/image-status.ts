import type { ImageStatus, ImageStatusFilter } from "../../domain/registry/ports.ts";

/** A status as tables have it. The greater, the more it is needed: of a layer's images the greatest counts. */
export type StatusRank = 0 | 1 | 2;

const ranks: Record<ImageStatus, StatusRank> = { ARCHIVED: 0, ACTIVATING: 1, ACTIVE: 2 };
const statuses: Record<StatusRank, ImageStatus> = { 0: "ARCHIVED", 1: "ACTIVATING", 2: "ACTIVE" };

export const active = ranks.ACTIVE;

export function rankOf(status: ImageStatus): StatusRank {
  return ranks[status];
}

export function statusOf(rank: StatusRank): ImageStatus {
  return statuses[rank];
}

export function ranksOf(filter: ImageStatusFilter): readonly StatusRank[] {
  return filter === "ANY" ? [0, 1, 2] : [ranks[filter]];
}
