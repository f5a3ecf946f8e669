import { settingsHelp } from "../config.ts";

/** All settings, for `berth serve --help`. */
export function settingsTable(): string {
  const all = settingsHelp();
  const keyWidth = Math.max(...all.map(({ key }) => key.length)) + 1;
  const variableWidth = Math.max(...all.map(({ variable }) => variable.length)) + 1;
  const lines = all.map(({ key, variable, meaning, preset }) => {
    const names = `${key.padEnd(keyWidth)}${variable.padEnd(variableWidth)}`;
    return `  ${names}${meaning}${preset === undefined ? "" : ` (${preset})`}`;
  });
  return ["", "Settings, as keys of berth.yaml and as variables, which win; defaults in brackets:", ...lines, ""].join(
    "\n",
  );
}
