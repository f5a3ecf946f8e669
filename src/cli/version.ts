import manifest from "../../package.json" with { type: "json" };

export const version: string = manifest.version;

export function printVersion(): void {
  console.log(`berth ${version} (bun ${Bun.version}, ${process.platform} ${process.arch})`);
}
