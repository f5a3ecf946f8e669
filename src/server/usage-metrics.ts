import { Gauge, type Registry } from "prom-client";

interface Figures {
  readonly repositories: number;
  readonly images: number;
  readonly archivedImages: number;
  readonly layerBytes: number;
  readonly uniqueBytes: number;
  readonly archivedBytes: number;
  readonly logicalBytes: number;
  readonly manifestBytes: number;
  readonly waitingBytes: number;
}

interface Entry {
  readonly area: { readonly account: string; readonly region: string; readonly repository: string };
  readonly figures: Figures;
}

export interface MeasuredUsage {
  readonly run: { readonly finishedAt: Date };
  readonly total: Figures;
  readonly registries: readonly Entry[];
  readonly repositories: readonly Entry[];
}

const same = "As of the newest measurement, the same from all who share a database";

/** Gauges of what storage is used for. Names are those of so many registries and repositories as they are told, and no more. */
export function createUsageMetrics(registers: Registry[]): (usage: MeasuredUsage) => void {
  const gauge = (name: string, help: string, labelNames: string[]) => new Gauge({ name, help, labelNames, registers });
  const bytes = gauge(
    "berth_usage_bytes",
    `Bytes of everything: layers (each once per key), logical (once for each repository), archived, manifests, waiting (for garbage collection). ${same}`,
    ["kind"],
  );
  const counts = gauge("berth_usage_count", `How many there are: repositories, images, archived images. ${same}`, [
    "kind",
  ]);
  const measured = gauge("berth_usage_measured_time_seconds", "When usage was measured, in seconds since 1970", []);
  const ofRegistries = gauge(
    "berth_registry_usage_bytes",
    `Bytes of the largest registries: layers (each once per key), archived, manifests, waiting. ${same}`,
    ["account", "region", "kind"],
  );
  const ofRepositories = gauge(
    "berth_repository_usage_bytes",
    `Bytes of the largest repositories: layers, unique (that no other repository of the registry needs), archived, manifests, waiting. ${same}`,
    ["account", "region", "repository", "kind"],
  );

  return ({ run, total, registries, repositories }) => {
    measured.set(run.finishedAt.getTime() / 1000);
    const all = { ...common(total), logical: total.logicalBytes };
    for (const [kind, value] of Object.entries(all)) bytes.set({ kind }, value);
    const { repositories: names, images, archivedImages } = total;
    const numbers = { repositories: names, images, archived_images: archivedImages };
    for (const [kind, value] of Object.entries(numbers)) counts.set({ kind }, value);
    // What is gone, or no longer among the largest, is not in them.
    ofRegistries.reset();
    for (const { area, figures } of registries) {
      const { account, region } = area;
      for (const [kind, value] of Object.entries(common(figures))) ofRegistries.set({ account, region, kind }, value);
    }
    ofRepositories.reset();
    for (const { area, figures } of repositories) {
      const kinds = { ...common(figures), unique: figures.uniqueBytes };
      for (const [kind, value] of Object.entries(kinds)) ofRepositories.set({ ...area, kind }, value);
    }
  };
}

function common({ layerBytes, archivedBytes, manifestBytes, waitingBytes }: Figures) {
  return { layers: layerBytes, archived: archivedBytes, manifests: manifestBytes, waiting: waitingBytes };
}
