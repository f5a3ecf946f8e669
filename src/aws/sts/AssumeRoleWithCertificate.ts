import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { type Assumer, needsOf } from "../../domain/identity/client-certificates.ts";
import { type OwnApi, ownOperation } from "./operation.ts";
import { accountOfRole, assumedView, checkRoleArn, SessionArn } from "./shapes.ts";

/** Beyond STS: what CreateSession of IAM Roles Anywhere is for, proved by the certificate of the connection alone. */
export const AssumeRoleWithCertificate = ownOperation("AssumeRoleWithCertificate", {
  input: {
    RoleArn: SessionArn,
    DurationSeconds: z.number().int().min(900).max(43_200).optional(),
  },
  account: ({ RoleArn }) => accountOfRole(RoleArn),
  async caller({ RoleArn }, { certificates }, { certificate }) {
    if (!certificates) throw refuse("Validation", { reason: "Client certificates stand for nobody on this server" });
    return certificates.assumerOf(certificate, checkRoleArn(RoleArn));
  },
  needs: ({ RoleArn }, _registry, { principal }) => needsOf(checkRoleArn(RoleArn), (principal as Assumer).session),
  throws: ["AccessDenied", "Validation", "InvalidInput", "PackedPolicyTooLarge", "MalformedPolicy"],
  async run({ RoleArn, DurationSeconds }, granted, { sessions }): Promise<OwnApi["answer"]> {
    const { name, tags = {}, sourceIdentity } = (granted.caller.principal as Assumer).session;
    const made = await sessions.assumeRole(granted, checkRoleArn(RoleArn), {
      name,
      seconds: DurationSeconds,
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      sourceIdentity,
    });
    return assumedView(made);
  },
});
