import { refuse } from "../../domain/errors.ts";
import type { Problem } from "../input.ts";
import { operationMap, type QueryService } from "../service.ts";
import { errors } from "./errors.ts";
import { GetCallerIdentity } from "./GetCallerIdentity.ts";
import { GetSessionToken } from "./GetSessionToken.ts";
import type { StsParts } from "./operation.ts";

/** AWS Security Token Service, API version 2011-06-15. */
export function createSts(parts: StsParts): QueryService {
  return {
    name: "sts",
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    operations,
    parts,
    errors,
    internal: ["InternalFailure", 500],
    invalidInput: (problems) => refuse("Validation", { reason: validationText(problems) }),
  };
}

export const operations = operationMap<StsParts>([GetCallerIdentity, GetSessionToken]);

function validationText(problems: readonly Problem[]): string {
  const texts = problems.map(({ member, constraint, value }) => {
    const name = member.charAt(0).toLowerCase() + member.slice(1);
    return `Value '${value ?? null}' at '${name}' failed to satisfy constraint: ${constraint}`;
  });
  const count = problems.length === 1 ? "1 validation error" : `${problems.length} validation errors`;
  return `${count} detected: ${texts.join("; ")}`;
}
