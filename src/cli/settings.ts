import { settingsHelp } from "../config.ts";

/** All settings, for `berth serve --help`. */
export function settingsTable(): string {
  const lines = settingsHelp().map(({ key, variable, meaning, preset }) => {
    return `  ${key.padEnd(28)}${variable.padEnd(36)}${meaning}${preset === undefined ? "" : ` (${preset})`}`;
  });
  return ["", "Settings, as keys of berth.yaml and as variables, which win; defaults in brackets:", ...lines, ""].join(
    "\n",
  );
}
