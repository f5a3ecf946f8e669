import { blobContract } from "./contract.ts";
import { openMemoryBlobs } from "./memory.ts";

blobContract("the blob store in memory", async () => {
  const blobs = openMemoryBlobs();
  // Two processes cannot share it; two users of one process can.
  return { blobs, reopen: async () => blobs, async dispose() {} };
});
