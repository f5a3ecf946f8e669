import { hidden } from "../domain/audit/shown.ts";
import type { Problem } from "./input.ts";

/** Members that hold what nobody may find in an error, which goes into logs and trails. */
const secret = /secret(?:string|binary|accesskey)$|password$/i;

/** How the services with the Query protocol word broken constraints, all in one message. */
export function validationText(problems: readonly Problem[]): string {
  const texts = problems.map(({ member, constraint, value }) => {
    const name = member.charAt(0).toLowerCase() + member.slice(1);
    const shown = secret.test(member) ? hidden : (value ?? null);
    return `Value '${shown}' at '${name}' failed to satisfy constraint: ${constraint}`;
  });
  const count = problems.length === 1 ? "1 validation error" : `${problems.length} validation errors`;
  return `${count} detected: ${texts.join("; ")}`;
}
