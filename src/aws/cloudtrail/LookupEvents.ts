import { z } from "zod";
import { type Lookup, lookupAttributes } from "../../domain/audit/lookup.ts";
import { refuse } from "../../domain/errors.ts";
import { onRegistry } from "../operation.ts";
import { type CloudTrailParts, operation } from "./operation.ts";

const mostResults = 50;
const maxValueLength = 2000;
const purpose = "lookup-events";

export const LookupEvents = operation("LookupEvents", {
  input: {
    LookupAttributes: z.array(z.object({ AttributeKey: z.string(), AttributeValue: z.string() })).optional(),
    StartTime: z.number().optional(),
    EndTime: z.number().optional(),
    EventCategory: z.string().optional(),
    MaxResults: z.number().int().optional(),
    NextToken: z.string().optional(),
  },
  needs: onRegistry("cloudtrail:LookupEvents"),
  throws: [
    "InvalidLookupAttribute",
    "InvalidMaxResults",
    "InvalidNextToken",
    "InvalidTimeRange",
    "InvalidEventCategory",
  ],
  async run(input, granted, { lookup, sealer, clock }) {
    const { LookupAttributes, StartTime, EndTime, EventCategory, MaxResults, NextToken } = input;
    const attribute = attributeOf(LookupAttributes);
    const limit = limitOf(MaxResults);
    const range = rangeOf(StartTime, EndTime, clock());
    const list = JSON.stringify([granted.registry, attribute, StartTime, EndTime]);
    const after = NextToken === undefined ? undefined : opened(NextToken, list, sealer);
    if (EventCategory !== undefined) {
      if (EventCategory !== "insight") throw refuse("InvalidEventCategory", { category: EventCategory });
      // There are none: nothing here looks for what is unusual.
      return { Events: [] };
    }
    const page = await lookup.find(granted, { attribute, ...range, after, limit });
    return { Events: page.events.map(eventView), NextToken: page.after && sealed(page.after, list, sealer) };
  },
});

type Found = Awaited<ReturnType<CloudTrailParts["lookup"]["find"]>>["events"][number];

function eventView({ id, name, source, time, readOnly, username, accessKeyId, resources, record }: Found) {
  return {
    EventId: id,
    EventName: name,
    ReadOnly: String(readOnly),
    AccessKeyId: accessKeyId,
    EventTime: time,
    EventSource: source,
    Username: username,
    Resources: resources.map((resource) => ({ ResourceType: resource.type, ResourceName: resource.name })),
    CloudTrailEvent: record,
  };
}

/** One at the most, as in CloudTrail. */
function attributeOf(given: { AttributeKey: string; AttributeValue: string }[] = []): Lookup["attribute"] {
  const [first, second] = given;
  if (!first) return undefined;
  if (second) throw refuse("InvalidLookupAttribute", { reason: "You can specify only one lookup attribute" });
  const key = lookupAttributes.find((attribute) => attribute === first.AttributeKey);
  if (!key) {
    const reason = `The attribute key must be one of ${lookupAttributes.join(", ")}`;
    throw refuse("InvalidLookupAttribute", { reason });
  }
  const value = first.AttributeValue;
  if (value.length < 1 || value.length > maxValueLength) {
    const reason = `The attribute value must have 1 to ${maxValueLength} characters`;
    throw refuse("InvalidLookupAttribute", { reason });
  }
  return { key, value };
}

function limitOf(maxResults = mostResults): number {
  if (maxResults < 1 || maxResults > mostResults) throw refuse("InvalidMaxResults", { limit: mostResults });
  return maxResults;
}

const lastMs = 8.64e15;

/** Seconds since 1970; without them everything that is kept. */
function rangeOf(start: number | undefined, end: number | undefined, now: Date): { from: Date; until: Date } {
  const from = start === undefined ? 0 : start * 1000;
  const until = end === undefined ? now.getTime() : end * 1000;
  if (Math.abs(from) > lastMs || Math.abs(until) > lastMs || (end !== undefined && from > until)) {
    throw refuse("InvalidTimeRange");
  }
  // Times are shown by the second, so what happened within the last one belongs to it.
  return { from: new Date(from), until: new Date(Math.floor(until / 1000) * 1000 + 999) };
}

interface Token {
  readonly list: string;
  readonly at: number;
  readonly sequence: number;
}

function sealed({ at, sequence }: { at: Date; sequence: number }, list: string, sealer: CloudTrailParts["sealer"]) {
  const token: Token = { list, at: at.getTime(), sequence };
  return sealer.seal(purpose, token);
}

/** Only the lookup that a token was made for takes it back. */
function opened(text: string, list: string, sealer: CloudTrailParts["sealer"]): Lookup["after"] {
  const token = sealer.open(purpose, text) as Token | undefined;
  if (token?.list !== list) throw refuse("InvalidNextToken");
  return { at: new Date(token.at), sequence: token.sequence };
}
