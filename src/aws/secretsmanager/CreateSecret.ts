import { z } from "zod";
import { operation } from "./operation.ts";
import {
  ClientRequestToken,
  Description,
  givenValue,
  KmsKeyId,
  mustBeOrdinary,
  SecretBinary,
  SecretString,
  Tags,
  Type,
  tagFacts,
  tagsOf,
} from "./shapes.ts";
import { secretName } from "./views.ts";

export const CreateSecret = operation("CreateSecret", {
  input: {
    Name: z.string().min(1).max(512),
    ClientRequestToken: ClientRequestToken.optional(),
    Description: Description.optional(),
    KmsKeyId: KmsKeyId.optional(),
    SecretBinary: SecretBinary.optional(),
    SecretString: SecretString.optional(),
    Tags: Tags.optional(),
    AddReplicaRegions: z.array(z.object({ Region: z.string().optional(), KmsKeyId: z.string().optional() })).optional(),
    ForceOverwriteReplicaSecret: z.boolean().optional(),
    Type: Type.optional(),
  },
  needs({ Name, Tags: tags = [], Description: description }, registry, { parts }) {
    const resource = parts.secrets.newArn(registry, Name);
    const own = { "secretsmanager:name": Name, "secretsmanager:description": description };
    const facts = { ...own, ...tagFacts(tags) };
    const create = { action: "secretsmanager:CreateSecret", resource, facts } as const;
    return tags.length === 0 ? [create] : [create, { action: "secretsmanager:TagResource", resource, facts }];
  },
  throws: ["InvalidSecretParameter", "InvalidSecretRequest", "SecretExists", "LimitExceeded", "SecretUnreadable"],
  async run(input, granted, { secrets }) {
    mustBeOrdinary(input);
    const { Name, Description: description, ClientRequestToken: token } = input;
    const given = { description, tags: tagsOf(input.Tags), value: givenValue(input), token };
    const { secret, version } = await secrets.create(granted, Name, given);
    return { ...secretName(secret), VersionId: version?.id };
  },
});
