import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";

/**
 * The set-up that Podman and Buildah share: storage of their own below the world's folder, with the driver that works
 * inside any container or machine, and no use of the host's registries or signature policy.
 */
export async function isolateContainersStorage(world: World): Promise<Readonly<Record<string, string>>> {
  const folder = join(world.folder, "containers");
  const file = (name: string) => join(folder, name);
  await mkdir(join(world.folder, ".config", "containers"), { recursive: true });
  await mkdir(folder, { recursive: true });
  const storage = `[storage]\ndriver = "vfs"\ngraphroot = "${file("root")}"\nrunroot = "${file("runroot")}"\n`;
  const engine = `[containers]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\ntmp_dir = "${file("tmp")}"\n`;
  const policy = { default: [{ type: "insecureAcceptAnything" }] };
  await writeFile(file("storage.conf"), storage);
  await writeFile(file("containers.conf"), engine);
  await writeFile(file("registries.conf"), "unqualified-search-registries = []\n");
  await writeFile(join(world.folder, ".config", "containers", "policy.json"), JSON.stringify(policy));
  return {
    CONTAINERS_STORAGE_CONF: file("storage.conf"),
    CONTAINERS_CONF: file("containers.conf"),
    CONTAINERS_REGISTRIES_CONF: file("registries.conf"),
    REGISTRY_AUTH_FILE: file("auth.json"),
    BUILDAH_ISOLATION: "chroot",
    TMPDIR: folder,
  };
}
