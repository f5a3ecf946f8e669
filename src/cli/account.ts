import { type Config, loadConfig } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import type { AccountService, RootKeyPair } from "../domain/identity/accounts.ts";
import { type AccountId, parseAccountId } from "../domain/names.ts";
import { openAccounts } from "../upkeep.ts";
import { printExports } from "./env.ts";
import { CommandFailed } from "./failure.ts";

/** `berth account …`: what only the operator does with accounts. */

interface Options {
  readonly config?: string;
}

interface Shown {
  readonly json?: boolean;
  readonly env?: boolean;
}

export async function createAccount(
  name: string,
  { config: file, id, email, ...shown }: Options & Shown & { id?: string; email?: string },
): Promise<void> {
  const config = loadConfig({ file });
  const wanted = { name, email, id: id === undefined ? undefined : accountId("--id", id) };
  const { account, rootKey } = await withAccounts(config, (accounts) => accounts.create(wanted));
  print(config, { id: account.id, name: account.name, email: account.email }, rootKey, shown);
}

export async function listAccounts({ config: file, json }: Options & Pick<Shown, "json">): Promise<void> {
  const config = loadConfig({ file });
  const rows = await withAccounts(config, async (accounts) => {
    const found = await Array.fromAsync(accounts.list());
    return found.map(({ id, name, email, status, createdAt, parentId }) => ({
      id,
      name,
      email,
      status,
      createdAt,
      inOrganization: parentId !== undefined,
      isConfigured: id === config.account,
    }));
  });
  if (json) {
    console.log(JSON.stringify(rows));
    return;
  }
  const width = Math.max(...rows.map(({ name }) => name.length), 0);
  for (const { id, status, name, email } of rows) {
    console.log(`${id}  ${status.toLowerCase().padEnd(9)}  ${name.padEnd(width)}  ${email}`);
  }
}

export async function suspendAccount(id: string, { config: file }: Options): Promise<void> {
  await withAccounts(loadConfig({ file }), (accounts) => accounts.suspend(accountId("the account", id)));
  console.log(`${id} is suspended`);
}

export async function resumeAccount(id: string, { config: file }: Options): Promise<void> {
  await withAccounts(loadConfig({ file }), (accounts) => accounts.resume(accountId("the account", id)));
  console.log(`${id} is active`);
}

export async function joinOrganization(id: string, { config: file }: Options): Promise<void> {
  await withAccounts(loadConfig({ file }), (accounts) => accounts.join(accountId("the account", id)));
  console.log(`${id} is in the organization`);
}

export async function newRootKey(id: string, { config: file, ...shown }: Options & Shown): Promise<void> {
  const config = loadConfig({ file });
  const account = accountId("the account", id);
  const rootKey = await withAccounts(config, (accounts) => accounts.replaceRootKey(account));
  print(config, { id: account }, rootKey, shown);
}

/** The only moment at which the secret is seen. */
function print(
  config: Config,
  account: { readonly id: AccountId; readonly name?: string; readonly email?: string },
  { accessKeyId, secret: secretAccessKey }: RootKeyPair,
  { json, env }: Shown,
): void {
  if (json) console.log(JSON.stringify({ ...account, accessKeyId, secretAccessKey }));
  else if (env) printExports(config, account.id, { accessKeyId, secretAccessKey });
  else {
    console.log(`account            ${account.id}`);
    console.log(`access key id      ${accessKeyId}`);
    console.log(`secret access key  ${secretAccessKey}`);
  }
  console.error("The secret is shown only now. `berth account new-root-key` makes another pair.");
}

async function withAccounts<Result>(
  config: Config,
  work: (accounts: AccountService) => Promise<Result>,
): Promise<Result> {
  await using accounts = await openAccounts(config);
  try {
    return await work(accounts);
  } catch (error) {
    throw error instanceof Refusal ? new CommandFailed(error.message) : error;
  }
}

function accountId(what: string, text: string): AccountId {
  const id = parseAccountId(text);
  if (!id) throw new CommandFailed(`${what}: given "${text}"; allowed: twelve digits`);
  return id;
}
