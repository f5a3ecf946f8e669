import type { Granted } from "../access.ts";
import { listRecords } from "./listing.ts";
import type { AuditEvent, AuditMetadata, AuditPosition } from "./ports.ts";
import { timeOfEventId } from "./record.ts";

export const lookupAttributes = [
  "EventId",
  "EventName",
  "ReadOnly",
  "Username",
  "ResourceType",
  "ResourceName",
  "EventSource",
  "AccessKeyId",
] as const;
export type LookupAttribute = (typeof lookupAttributes)[number];

export interface Lookup {
  readonly attribute?: { readonly key: LookupAttribute; readonly value: string };
  /** Both inclusive. */
  readonly from: Date;
  readonly until: Date;
  readonly after?: AuditPosition;
  readonly limit: number;
}

export interface FoundEvent {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly time: Date;
  readonly readOnly: boolean;
  readonly username?: string;
  readonly accessKeyId?: string;
  readonly resources: readonly { readonly type?: string; readonly name: string; readonly arn: string }[];
  readonly record: string;
}

export interface AuditLookup {
  /**
   * Records of the registry of the grant, newest first. `after` is there while there may be more: a page can be empty
   * and not be the last, because no call looks through more than a few thousand records.
   */
  find(granted: Granted, lookup: Lookup): Promise<{ events: FoundEvent[]; after?: AuditPosition }>;
}

const scannedAtOnce = 200;
const scannedByCall = 4000;

export function createLookup({ read }: Pick<AuditMetadata, "read">): AuditLookup {
  return {
    async find({ registry }, { attribute, limit, ...range }) {
      const { from, until } = attribute?.key === "EventId" ? withinMoment(attribute.value, range) : range;
      const events: FoundEvent[] = [];
      let { after } = range;
      for (let scanned = 0; scanned < scannedByCall; ) {
        // Without a filter, what is read is what is shown.
        const wanted = attribute ? scannedAtOnce : limit;
        const rows = await listRecords(read.audit, registry, { from, until, after, limit: wanted });
        scanned += rows.length;
        for (const row of rows) {
          const found = attribute && !mayMatch(attribute, row) ? undefined : foundEvent(row);
          after = { at: row.at, sequence: row.sequence };
          if (found && (!attribute || matches(attribute, found)) && events.push(found) === limit) {
            return { events, after };
          }
        }
        if (rows.length < wanted) return { events };
      }
      return { events, after };
    },
  };
}

/** An id says when its record was made, so only one millisecond is looked through. */
function withinMoment(id: string, { from, until }: Pick<Lookup, "from" | "until">) {
  const ms = timeOfEventId(id);
  const nowhere = { from: new Date(1), until: new Date(0) };
  if (ms === undefined || ms < from.getTime() || ms > until.getTime()) return nowhere;
  return { from: new Date(ms), until: new Date(ms) };
}

/** Most rows can be passed over without being parsed: what matches stands somewhere in the text. */
function mayMatch({ key, value }: NonNullable<Lookup["attribute"]>, { record }: AuditEvent): boolean {
  const needle = key === "ReadOnly" ? `"readOnly":${value}` : JSON.stringify(value).slice(1, -1);
  return record.includes(needle);
}

function matches({ key, value }: NonNullable<Lookup["attribute"]>, event: FoundEvent): boolean {
  switch (key) {
    case "EventId":
      return event.id === value;
    case "EventName":
      return event.name === value;
    case "ReadOnly":
      return String(event.readOnly) === value;
    case "Username":
      return event.username === value;
    case "ResourceType":
      return event.resources.some(({ type }) => type === value);
    case "ResourceName":
      return event.resources.some(({ name, arn }) => name === value || arn === value);
    case "EventSource":
      return event.source === value;
    case "AccessKeyId":
      return event.accessKeyId === value;
  }
}

interface RecordMembers {
  readonly eventID: string;
  readonly eventName: string;
  readonly eventSource: string;
  readonly eventTime: string;
  readonly readOnly: boolean;
  readonly userIdentity: {
    readonly type: string;
    readonly principalId?: string;
    readonly userName?: string;
    readonly accessKeyId?: string;
  };
  readonly resources?: readonly { readonly ARN: string; readonly type?: string }[];
}

function foundEvent({ record }: AuditEvent): FoundEvent {
  const { eventID, eventName, eventSource, eventTime, readOnly, userIdentity, resources } = JSON.parse(
    record,
  ) as RecordMembers;
  return {
    id: eventID,
    name: eventName,
    source: eventSource,
    time: new Date(eventTime),
    readOnly,
    username: usernameIn(userIdentity),
    accessKeyId: userIdentity.accessKeyId,
    resources: (resources ?? []).map(({ ARN: arn, type }) => ({ arn, type, name: nameIn(arn) })),
    record,
  };
}

function usernameIn({ type, userName, principalId }: RecordMembers["userIdentity"]): string | undefined {
  switch (type) {
    case "Root":
      return "root";
    case "AssumedRole":
    case "FederatedUser":
      return principalId?.slice(principalId.indexOf(":") + 1);
    default:
      return userName;
  }
}

/** `app/web` of a repository's ARN, `ci` of `user/team/ci`. */
function nameIn(arn: string): string {
  const [, , service, , , ...rest] = arn.split(":");
  const resource = rest.join(":");
  return resource.slice((service === "iam" ? resource.lastIndexOf("/") : resource.indexOf("/")) + 1);
}
