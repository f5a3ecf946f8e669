import { readdirSync, readFileSync } from "node:fs";

/** What the kernel says of a running program and its children (proc(5)). */

/** User and system time, in seconds: fields 14 and 15 of `stat`, in hundredths. */
export function cpuSeconds(pid: number): number {
  return family(pid).reduce((sum, id) => {
    const fields = statOf(id);
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
  }, 0);
}

export interface Memory {
  /** Resident now. */
  readonly mib: number;
  /** The most that was ever resident. */
  readonly peakMib: number;
}

export function memory(pid: number): Memory {
  let [mib, peakMib] = [0, 0];
  for (const id of family(pid)) {
    const status = read(`/proc/${id}/status`);
    mib += Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
    peakMib += Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  }
  return { mib, peakMib };
}

/** Looks again and again while `work` goes on, and answers the most that it saw. */
export async function highestMemory(pid: number, work: () => Promise<unknown>): Promise<number> {
  let highest = 0;
  const look = () => {
    highest = Math.max(highest, memory(pid).mib);
  };
  const timer = setInterval(look, 100);
  try {
    await work();
    look();
  } finally {
    clearInterval(timer);
  }
  return highest;
}

function family(pid: number): string[] {
  const found = [String(pid)];
  const others = readdirSync("/proc").filter((id) => /^\d+$/.test(id));
  const parents = new Map(others.map((id) => [id, statOf(id)[1]]));
  // A child may have a smaller number than its parent, so a child is looked for after each one found.
  for (let at = 0; at < found.length; at++) {
    for (const [id, parent] of parents) if (parent === found[at]) found.push(id);
  }
  return found;
}

/** Fields 3 and on. The second is the program's name, which may have anything in it. */
function statOf(id: string): string[] {
  const text = read(`/proc/${id}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // It has ended.
  }
}
