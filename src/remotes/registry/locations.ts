import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import type { Reply } from "./reply.ts";

const maxLength = 8 * 1024;

/** Where an upload goes on. @throws RemoteFailure for anywhere but the registry itself */
export function locationIn({ headers, url }: Reply, origin: URL): URL {
  const { location = "" } = headers;
  if (location === "" || location.length > maxLength || !URL.canParse(location, url.href)) {
    throw new RemoteFailure("nonsense", `${origin.host} answered with no place to send a blob to`);
  }
  return checkedLocation(new URL(location, url.href), origin);
}

/** @throws RemoteFailure */
export function checkedLocation(location: URL, origin: URL): URL {
  // Behind a proxy that ends TLS some registries name themselves without it.
  if (origin.protocol === "https:" && location.protocol === "http:" && location.host === origin.host) {
    location.protocol = "https:";
  }
  if (location.origin === origin.origin && location.username === "" && location.password === "") return location;
  throw new RemoteFailure(
    "out-of-bounds",
    `${origin.host} wants blobs sent to ${location.host}, which is another host`,
  );
}
