import type { Facts, Need } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import {
  type AccountId,
  parseRepositoryArn,
  type Registry,
  type RepositoryName,
  repositoryArn,
} from "../../domain/names.ts";

/** For the operations that name their repository by `resourceArn`. */
interface Input {
  readonly resourceArn: string;
}

export function accountOfArn(input: Input): AccountId {
  return parsed(input).registry.account;
}

export function onArn<More extends Input = Input>(action: Need["action"], factsOf?: (input: More) => Facts) {
  return (input: More): Need[] => {
    const { registry, name } = parsed(input);
    return [{ action, resource: repositoryArn(registry, name), facts: factsOf?.(input) }];
  };
}

/** @throws RepositoryNotFound for an ARN of another region: a region knows only its own */
export function repositoryOfArn(input: Input, registry: Registry): RepositoryName {
  const { registry: named, name } = parsed(input);
  if (named.region !== registry.region) throw refuse("RepositoryNotFound", { repository: name, registry: named });
  return name;
}

function parsed({ resourceArn }: Input) {
  const arn = parseRepositoryArn(resourceArn);
  if (!arn) throw new Error("the shape has checked the ARN");
  return arn;
}
