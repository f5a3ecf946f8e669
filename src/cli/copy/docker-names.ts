import { type ImageName, showImage } from "./places.ts";
import { imageCalled } from "./references.ts";

/** Docker leaves `docker.io/library/` out. */
export function isCalled(image: ImageName, name: string): boolean {
  const wanted = imageCalled(name);
  if (!wanted) return false;
  const bare = (text: string) => text.replace(/^library\//, "");
  const [is, wants] = [showImage(image), showImage(wanted)].map(bare);
  return is === wants || (!name.includes(":") && is === `${bare(name)}:latest`);
}
