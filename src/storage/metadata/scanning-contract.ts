import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName } from "../../domain/names.ts";
import type { Metadata } from "../../domain/registry/ports.ts";
import type { ScanningConfiguration, SigningConfiguration } from "../../domain/registry/scanning-ports.ts";
import type { OpenedMetadata } from "./contract.ts";

const registry: Registry = { account: "787878787878" as AccountId, region: "eu-west-1" as Region };
const elsewhere: Registry = { ...registry, region: "eu-west-2" as Region };
const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

/** What a keeper of `Metadata` promises of scanning and signing. */
export function scanningContract(name: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${name}: scanning and signing`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    test("a registry has the configurations that it was given last", async () => {
      const { read } = metadata;
      const scanning: ScanningConfiguration = {
        scanType: "ENHANCED",
        rules: [{ frequency: "SCAN_ON_PUSH", filters: ["*", "a"] }],
      };
      const signing: SigningConfiguration = {
        rules: [{ profile: "p" as Arn, filters: ["x"] }, { profile: "q" as Arn }],
      };
      const put = (...configuration: Parameters<typeof read.registryConfigurations.put>) =>
        metadata.transact(({ registryConfigurations }) => registryConfigurations.put(...configuration));
      const find = () => read.registryConfigurations.find(registry);
      const deleteSigning = () =>
        metadata.transact(({ registryConfigurations }) => registryConfigurations.deleteSigning(registry));

      expect(await find()).toEqual({});
      expect(await deleteSigning()).toBeUndefined();
      await put(registry, { scanning });
      expect(await find()).toEqual({ scanning });
      await put(registry, { signing });
      expect(await find()).toEqual({ scanning, signing });
      const basic: ScanningConfiguration = { scanType: "BASIC", rules: [] };
      await put(registry, { scanning: basic });
      await put(elsewhere, { signing: { rules: [] } });
      expect(await find()).toEqual({ scanning: basic, signing });
      expect(await deleteSigning()).toEqual(signing);
      expect(await find()).toEqual({ scanning: basic });
      expect(await deleteSigning()).toBeUndefined();
      expect(await read.registryConfigurations.find(elsewhere)).toEqual({ signing: { rules: [] } });
    });

    test("an image has its newest scan, and its signatures", async () => {
      const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
      const encryption = { type: "AES256" } as const;
      const repository = { registry, name: "app" as RepositoryName, createdAt: at(0), encryption, ...settings };
      const ids = await metadata.transact(async ({ repositories, images }) => {
        const { id: repositoryId = 0 } = (await repositories.create(repository, new Map())) ?? {};
        const image = { repositoryId, mediaType: "m", manifestBytes: 1, imageBytes: 1, manifest: Uint8Array.of(1) };
        const push = (digest: string) =>
          images.put({ ...image, digest: digest as Digest, layers: [], children: [], pushedAt: at(0) });
        return [(await push(`sha256:${"d".repeat(64)}`)).id, (await push(`sha256:${"e".repeat(64)}`)).id] as const;
      });
      const [first, second] = ids;
      const { imageScans, imageSignings } = metadata.read;
      const scan = (seconds: number) =>
        ({ status: "FAILED", description: `no ${seconds}`, requestedAt: at(seconds) }) as const;
      const signing = { profile: "p" as Arn, status: "FAILED", failureCode: "c", failureReason: "r" } as const;

      expect([await imageScans.find(first), await imageSignings.find(first)]).toEqual([undefined, []]);
      await metadata.transact(async (nouns) => {
        await nouns.imageScans.put(first, scan(1));
        await nouns.imageScans.put(first, scan(2));
        await nouns.imageSignings.put(first, [signing, { ...signing, profile: "q" as Arn }]);
      });
      expect(await imageScans.find(first)).toEqual(scan(2));
      expect(await imageSignings.find(first)).toEqual([signing, { ...signing, profile: "q" as Arn }]);
      expect([await imageScans.find(second), await imageSignings.find(second)]).toEqual([undefined, []]);
    });
  });
}
