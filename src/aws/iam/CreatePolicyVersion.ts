import { z } from "zod";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, PolicyDocument } from "./shapes.ts";
import { listedVersionView } from "./views.ts";

export const CreatePolicyVersion = operation("CreatePolicyVersion", {
  input: { PolicyArn, PolicyDocument, SetAsDefault: z.boolean().optional() },
  needs: onPolicy("iam:CreatePolicyVersion"),
  throws: ["AccessDenied", "LimitExceeded", "MalformedPolicy", "NoSuchEntity"],
  async run({ PolicyArn, PolicyDocument, SetAsDefault = false }, granted, { managedPolicies }) {
    const version = await managedPolicies.createVersion(granted, PolicyArn, PolicyDocument, SetAsDefault);
    return { PolicyVersion: listedVersionView(version) };
  },
});
