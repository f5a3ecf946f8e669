/** Options that many commands have, in the same words. */

export const configOption = [
  "-c, --config <file>",
  "read the settings from this file instead of ./berth.yaml",
] as const;

export const dataOption = ["--data <dir>", "the data directory, instead of the one in the settings"] as const;
