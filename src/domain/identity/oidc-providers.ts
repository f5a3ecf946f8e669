import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Arn } from "../names.ts";
import { type NewTags, tagsOf, withoutTags, withTags } from "./identity-tags.ts";
import type { IdentityMetadata, IdentityNouns, OidcProvider } from "./ports.ts";

export interface NewOidcProvider {
  readonly url: string;
  readonly clientIds: readonly string[];
  readonly thumbprints: readonly string[];
  readonly tags?: NewTags;
}

/** Issuers of tokens that an account trusts. */
export interface OidcProviderService {
  /** @throws EntityAlreadyExists, InvalidInput, LimitExceeded */
  create(granted: Granted, provider: NewOidcProvider): Promise<OidcProvider>;
  /** @throws NoSuchEntity */
  get(granted: Granted, arn: Arn): Promise<OidcProvider>;
  list(granted: Granted): Promise<OidcProvider[]>;
  /** Safe to repeat. @throws NoSuchEntity, LimitExceeded */
  addClientId(granted: Granted, arn: Arn, clientId: string): Promise<void>;
  /** Safe to repeat. @throws NoSuchEntity */
  removeClientId(granted: Granted, arn: Arn, clientId: string): Promise<void>;
  /** @throws NoSuchEntity, InvalidInput */
  setThumbprints(granted: Granted, arn: Arn, thumbprints: readonly string[]): Promise<void>;
  /** Answers well for one that is not there. */
  delete(granted: Granted, arn: Arn): Promise<void>;
  /** @throws NoSuchEntity, InvalidInput, LimitExceeded */
  tag(granted: Granted, arn: Arn, tags: NewTags): Promise<void>;
  /** @throws NoSuchEntity */
  untag(granted: Granted, arn: Arn, keys: readonly string[]): Promise<void>;
}

/** Default quotas (IAM user guide, "IAM and AWS STS quotas"). */
const maxProviders = 100;
const maxClientIds = 100;
const maxThumbprints = 5;
const maxUrlLength = 255;

export interface OidcProviderParts {
  readonly metadata: IdentityMetadata;
  readonly clock: () => Date;
  /** Whether an issuer on this machine may do without TLS. For tests and workstations. */
  readonly allowInsecureIssuers: boolean;
  /** Called after whatever changes what somebody may do. */
  readonly changed: () => void;
}

export function createOidcProviders(parts: OidcProviderParts): OidcProviderService {
  const { metadata, clock, allowInsecureIssuers, changed } = parts;

  async function change(
    { registry: { account } }: Granted,
    arn: Arn,
    changesOf: (provider: OidcProvider) => Parameters<IdentityNouns["oidcProviders"]["update"]>[1],
  ): Promise<void> {
    await metadata.transact(async (nouns) => {
      const provider = await own(nouns, account, arn);
      await nouns.oidcProviders.update(arn, changesOf(provider));
    });
    changed();
  }

  return {
    async create({ registry: { account } }, { url, clientIds, thumbprints, tags = [] }) {
      const issuer = parseIssuer(url, allowInsecureIssuers);
      checkThumbprints(thumbprints);
      const provider: OidcProvider = {
        account,
        arn: providerArn(account, url),
        url: issuer,
        clientIds: [...new Set(clientIds)],
        thumbprints: thumbprints.map((thumbprint) => thumbprint.toLowerCase()),
        createdAt: clock(),
        tags: tagsOf(tags),
      };
      checkClientIds(provider.clientIds);
      await metadata.transact(async ({ oidcProviders }) => {
        if (!(await oidcProviders.create(provider))) {
          throw refuse("EntityAlreadyExists", { reason: `Provider with url ${url} already exists.` });
        }
        if ((await oidcProviders.list(account)).length > maxProviders) {
          const reason = `Cannot exceed quota for OpenIdConnectProvidersPerAccount: ${maxProviders}`;
          throw refuse("LimitExceeded", { reason });
        }
      });
      changed();
      return provider;
    },

    get: ({ registry: { account } }, arn) => own(metadata.read, account, arn),
    list: ({ registry: { account } }) => metadata.read.oidcProviders.list(account),

    addClientId: (granted, arn, clientId) =>
      change(granted, arn, ({ clientIds }) => {
        const all = [...new Set([...clientIds, clientId])];
        checkClientIds(all);
        return { clientIds: all };
      }),
    removeClientId: (granted, arn, clientId) =>
      change(granted, arn, ({ clientIds }) => ({ clientIds: clientIds.filter((one) => one !== clientId) })),
    setThumbprints: (granted, arn, thumbprints) =>
      change(granted, arn, () => {
        checkThumbprints(thumbprints);
        return { thumbprints: thumbprints.map((thumbprint) => thumbprint.toLowerCase()) };
      }),
    tag: (granted, arn, tags) => change(granted, arn, (provider) => ({ tags: withTags(provider.tags, tags) })),
    untag: (granted, arn, keys) => change(granted, arn, (provider) => ({ tags: withoutTags(provider.tags, keys) })),

    async delete({ registry: { account } }, arn) {
      await metadata.transact(async ({ oidcProviders }) => {
        if ((await oidcProviders.find(arn))?.account === account) await oidcProviders.delete(arn);
      });
      changed();
    },
  };
}

/** The scheme is no part of it, so that an issuer has one provider. */
export function providerArn(account: AccountId, url: string): Arn {
  return `arn:aws:iam::${account}:oidc-provider/${url.replace(/^https?:\/\//i, "")}` as Arn;
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The issuer as it is kept: without `https://`, as IAM shows it. One without TLS keeps its `http://`.
 * @throws InvalidInput for what is no address of an issuer (OpenID Connect Core, "Issuer Identifier")
 */
function parseIssuer(text: string, allowInsecure: boolean): string {
  const url = /^[\x21-\x7e]+$/.test(text) && text.length <= maxUrlLength ? URL.parse(text) : null;
  const insecure = url?.protocol === "http:" && allowInsecure && loopback.test(url.hostname);
  if (!url || (url.protocol !== "https:" && !insecure)) {
    throw refuse("InvalidInput", { reason: "Invalid Open ID Connect Provider URL: it must begin with https://" });
  }
  if (/[?#@\\]/.test(text)) {
    const reason = "Invalid Open ID Connect Provider URL: it must have neither user, query nor fragment";
    throw refuse("InvalidInput", { reason });
  }
  return insecure ? text : text.replace(/^https:\/\//i, "");
}

/** @throws LimitExceeded */
function checkClientIds(clientIds: readonly string[]): void {
  if (clientIds.length <= maxClientIds) return;
  const reason = `Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${maxClientIds}`;
  throw refuse("LimitExceeded", { reason });
}

/** @throws InvalidInput */
function checkThumbprints(thumbprints: readonly string[]): void {
  if (thumbprints.length > maxThumbprints) {
    throw refuse("InvalidInput", { reason: "Thumbprint list must contain fewer than 5 entries." });
  }
  const wrong = thumbprints.find((thumbprint) => !/^[0-9a-f]{40}$/i.test(thumbprint));
  if (wrong === undefined) return;
  throw refuse("InvalidInput", { reason: "Thumbprints are SHA-1 digests of certificates: 40 hexadecimal digits" });
}

/** @throws NoSuchEntity, also for another account's */
async function own({ oidcProviders }: IdentityNouns, account: AccountId, arn: Arn): Promise<OidcProvider> {
  const provider = await oidcProviders.find(arn);
  if (provider?.account === account) return provider;
  throw refuse("NoSuchEntity", { reason: `OpenIDConnect Provider not found for arn ${arn}` });
}
