import { dlopen, ptr } from "bun:ffi";
import type { DiskFile } from "./disk.ts";

/** `RWF_NOWAIT` (preadv2(2)): rather fails than wait for a disk. */
const doNotWait = 8;
/** The address and the length of one buffer (`struct iovec`). */
const vector = new BigUint64Array(2);
const preadv2 = systemCall();

/**
 * Reads what the kernel has in memory, and leaves what would have to come from the disk: then this thread would wait
 * for it, and everybody with it. A read that is answered from memory costs more in the thread pool than it takes.
 * Answers how many bytes there are from the beginning of `buffer` on: 0 also where the kernel or the file system knows
 * no such read, or it failed. Whoever needs more reads the rest by `file.read`, which says what is wrong.
 */
export function readCached({ fd }: Pick<DiskFile, "fd">, buffer: Uint8Array, position: number): number {
  if (!preadv2 || fd === undefined || fd < 0 || buffer.length === 0) return 0;
  vector[0] = BigInt(ptr(buffer));
  vector[1] = BigInt(buffer.length);
  return Math.max(0, preadv2(fd, ptr(vector), 1, position, doNotWait));
}

/** Of glibc, in 64 bits. A system without it does without. */
function systemCall() {
  if (process.platform !== "linux") return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", {
      preadv2: { args: ["i32", "ptr", "i32", "i64", "i32"], returns: "i32" },
    });
    return symbols.preadv2;
  } catch {
    return undefined;
  }
}
