import type { Problem } from "./input.ts";

/** How the services with the Query protocol word broken constraints, all in one message. */
export function validationText(problems: readonly Problem[]): string {
  const texts = problems.map(({ member, constraint, value }) => {
    const name = member.charAt(0).toLowerCase() + member.slice(1);
    return `Value '${value ?? null}' at '${name}' failed to satisfy constraint: ${constraint}`;
  });
  const count = problems.length === 1 ? "1 validation error" : `${problems.length} validation errors`;
  return `${count} detected: ${texts.join("; ")}`;
}
