import type { StoredHold } from "../../domain/registry/retention-ports.ts";
import type { HoldView } from "./contract.ts";

export function holdView({ target, reason, placedAt, placedBy, until }: StoredHold): HoldView {
  const imageId = target.includes(":") ? { imageDigest: target } : { imageTag: target };
  return { imageId, reason, placedAt, placedBy, ...(until && { until }) };
}
