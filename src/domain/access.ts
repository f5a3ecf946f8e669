import { type Decision, decide } from "../policy/decide.ts";
import { refuse } from "./errors.ts";
import type { AccountId, Arn, Registry } from "./names.ts";

/** Who signed a request, after the signature was found good. */
export interface Principal {
  readonly kind: "root" | "user" | "role";
  readonly account: AccountId;
  /** As AWS writes it: `arn:aws:iam::123456789012:root`. */
  readonly arn: string;
  /** `aws:userid`: the account id for the root user. */
  readonly userId: string;
}

/** What is known of a request before anybody is authenticated. */
export interface Arrival {
  readonly requestId: string;
  readonly sourceIp: string;
  readonly secureTransport: boolean;
  readonly userAgent?: string;
  /** Adds facts to the request's log line. Never a secret. */
  note(facts: Record<string, string | number | boolean>): void;
  /** The bytes of the request's body, for as long as they come at the least pace. Absent where no socket is behind it. */
  readonly paced?: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

/** A principal together with the facts of its request that policies may ask about. */
export interface Caller extends Arrival {
  readonly principal: Principal;
}

/** One thing that a request needs: an IAM action on a resource (service authorization reference). */
export interface Need {
  readonly action: `${string}:${string}`;
  readonly resource: Arn | "*";
}

declare const granted: unique symbol;

/**
 * The proof that a caller may do what it asks for. Only `createAccess` makes one, and every domain function that reads
 * or changes content wants one, so a forgotten check does not compile.
 */
export interface Granted {
  readonly [granted]: true;
  readonly caller: Caller;
  readonly registry: Registry;
  readonly needs: readonly Need[];
}

export interface Access {
  /** @throws AccessDenied naming the first need that is not met. */
  grant(caller: Caller, registry: Registry, needs: readonly Need[]): Promise<Granted>;
  /** The same decision as an answer, for lists that show only what their reader may see. */
  allows(caller: Caller, registry: Registry, need: Need): Promise<boolean>;
}

/** The one gate. Gathers what the policy engine needs to know and turns its decision into a grant or a refusal. */
export function createAccess(): Access {
  async function judge(caller: Caller, registry: Registry, need: Need): Promise<Decision> {
    const { principal } = caller;
    return decide({
      action: need.action,
      resource: need.resource,
      principal: { arn: principal.arn, account: principal.account, isRoot: principal.kind === "root" },
      resourceAccount: registry.account,
    });
  }
  return {
    async grant(caller, registry, needs) {
      for (const need of needs) {
        const decision = await judge(caller, registry, need);
        if (!decision.allowed) {
          const { action, resource } = need;
          throw refuse("AccessDenied", {
            principal: caller.principal.arn,
            action,
            resource,
            because: decision.because,
          });
        }
      }
      return { caller, registry, needs } as unknown as Granted;
    },
    async allows(caller, registry, need) {
      return (await judge(caller, registry, need)).allowed;
    },
  };
}
