import { size } from "./text.ts";

/** One line on standard error that is written again and again. Nothing where nobody would see it. */
export interface Progress {
  /** @param unit bytes are shown as sizes, with how fast they go and how long they will take */
  show(label: string, done: number, total: number, unit?: "bytes" | "items"): void;
  /** Takes the line away, so that something else can be written. */
  clear(): void;
}

/** Any stream to a terminal. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const everyMs = 100;
const barWidth = 24;

/** Libraries for this bring colours, several lines and signal handlers. One line needs none of them. */
export function createProgress(terminal: Terminal = process.stderr, now: () => number = performance.now): Progress {
  if (!terminal.isTTY) return { show() {}, clear() {} };
  let shownMs = Number.NEGATIVE_INFINITY;
  let isShown = false;
  /** Where this label began, for the speed. */
  let began: { label: string; atMs: number; done: number } | undefined;
  return {
    show(label, done, total, unit = "items") {
      const nowMs = now();
      if (began?.label !== label) began = { label, atMs: nowMs, done };
      else if (nowMs - shownMs < everyMs && done < total) return;
      shownMs = nowMs;
      isShown = true;
      const perSecond = ((done - began.done) / Math.max(1, nowMs - began.atMs)) * 1000;
      const text = line(label, { done, total, unit, perSecond });
      terminal.write(`\r\u001b[2K${text.slice(0, (terminal.columns ?? 80) - 1)}`);
    },
    clear() {
      if (isShown) terminal.write("\r\u001b[2K");
      isShown = false;
    },
  };
}

interface Shown {
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "items";
  readonly perSecond: number;
}

function line(label: string, { done, total, unit, perSecond }: Shown): string {
  if (total === 0) return `${label} …`;
  // Others go on meanwhile, so there may be more than there were.
  const share = Math.min(1, done / total);
  const filled = Math.round(share * barWidth);
  const bar = `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}]`;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const amount = unit === "bytes" ? size : (number: number) => number.toLocaleString("en");
  const amounts = `${amount(done)} of ${amount(Math.max(done, total))}`;
  const rest = perSecond > 0 && done < total ? `  ${left((total - done) / perSecond)} left` : "";
  return `${label} ${bar} ${percent}  ${amounts}${unit === "bytes" && perSecond > 0 ? `  ${size(perSecond)}/s` : ""}${rest}`;
}

/** `1:02:03`, `2:03`. */
function left(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
