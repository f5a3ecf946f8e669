import { berthApi } from "./berth-api.ts";
import { type Explained, explanationText } from "./explanation-text.ts";
import { CommandFailed } from "./failure.ts";

export interface ExplainOptions {
  readonly config?: string;
  readonly principal?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly context: readonly string[];
  readonly json?: boolean;
}

/** Why a request was denied, or what would be decided: asked of the server, which knows who may be told. */
export async function explain(requestId: string | undefined, options: ExplainOptions): Promise<void> {
  const { config: file, principal, action, resource, context, json } = options;
  if ((requestId === undefined) === (action === undefined)) {
    throw new CommandFailed("give the id of a request that was denied, or --action with --principal and --resource");
  }
  if (requestId !== undefined && (principal ?? resource ?? context[0]) !== undefined) {
    throw new CommandFailed("a request's principal, resource and context are those that it had");
  }
  const input =
    requestId === undefined
      ? { principalArn: principal, action, resourceArn: resource, context: contextOf(context) }
      : { requestId };

  const ask = await berthApi(file);
  const answer = await ask<Explained>("ExplainDecision", input);
  console.log(json ? JSON.stringify(answer, null, 2) : explanationText(answer));
}

/** `key=value`; a key may come several times, and has several values then. */
function contextOf(pairs: readonly string[]): Record<string, string[]> | undefined {
  if (pairs.length === 0) return undefined;
  const context: Record<string, string[]> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) throw new CommandFailed(`--context takes KEY=VALUE, such as aws:SourceIp=10.0.0.1, not ${pair}`);
    const key = pair.slice(0, at);
    context[key] = [...(context[key] ?? []), pair.slice(at + 1)];
  }
  return context;
}
