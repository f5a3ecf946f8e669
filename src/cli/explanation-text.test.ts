import { expect, test } from "bun:test";
import { type Explained, explanationText } from "./explanation-text.ts";

const denied: Explained = {
  allowed: false,
  because: "because no identity-based policy allows the ecr:PutImage action",
  layers: [],
  missingKeys: [],
  withheld: false,
  principalArn: "arn:aws:iam::000000000000:user/ci",
  action: "ecr:PutImage",
  resourceArn: "arn:aws:ecr:us-east-1:000000000000:repository/app",
};
const statement = { policyKind: "identity", policyName: "inline policy push of user ci", sid: "OnlyApp", index: 1 };

test("a denial, with all that there is to say", () => {
  const text = explanationText({
    ...denied,
    layers: [
      {
        policyKind: "service-control",
        verdict: "allowed",
        statements: [{ ...statement, policyName: "p-1", sid: undefined }],
      },
      { policyKind: "identity", verdict: "implicitDeny", statements: [] },
    ],
    missingKeys: ["aws:sourceip"],
    requestId: "id-1",
    deniedAt: 0,
    allowedNow: false,
  });
  expect(text).toBe(
    [
      "Denied at 1970-01-01T00:00:00.000Z, because no identity-based policy allows the ecr:PutImage action",
      "",
      "  principal  arn:aws:iam::000000000000:user/ci",
      "  action     ecr:PutImage",
      "  resource   arn:aws:ecr:us-east-1:000000000000:repository/app",
      "  request    id-1",
      "",
      "What each kind of policy says:",
      "  service control policies   allow it         statement 2 of p-1",
      "  policies of the principal  do not allow it",
      "",
      "Condition keys that policies ask for and that the request did not have:",
      "  aws:sourceip",
      "To see what is decided with them: --context aws:sourceip=VALUE",
      "",
      "What would help:",
      "  Allow ecr:PutImage on arn:aws:ecr:us-east-1:000000000000:repository/app in a policy of arn:aws:iam::000000000000:user/ci, or of a group that it is in.",
    ].join("\n"),
  );
});

test.each<[change: Partial<Explained>, says: string]>([
  [
    { because: "with an explicit deny in an identity-based policy", statement },
    "narrow statement 2 (OnlyApp) of inline policy push of user ci, or take it out",
  ],
  [
    { because: "with an explicit deny in a resource-based policy" },
    "narrow the statement that denies it, or take it out",
  ],
  [
    { because: "because no permissions boundary allows the ecr:PutImage action" },
    "The permissions boundary has to allow",
  ],
  [{ because: "because no session policy allows the ecr:PutImage action" }, "The session was made with policies"],
  [{ because: "because no service control policy allows the ecr:PutImage action" }, "Every level of the organization"],
  [{ because: "because no resource-based policy allows the ecr:PutImage action" }, "set-repository-policy"],
  [{ because: "because no role trust policy allows the sts:AssumeRole action" }, "update-assume-role-policy"],
  [{ principalArn: "arn:aws:sts::000000000000:assumed-role/push/job" }, "in a policy of the role push."],
  [{ withheld: true }, "Policies that you may not read are not shown"],
  [{ allowedNow: true }, "By now the same request would be allowed"],
])("%j", (change, says) => {
  expect(explanationText({ ...denied, ...change })).toContain(says);
});

test("an allow needs no help", () => {
  const text = explanationText({
    ...denied,
    allowed: true,
    because: "because an identity-based policy allows it",
    statement,
  });
  expect(text).toStartWith("Allowed, because an identity-based policy allows it\n");
  expect(text).toContain("  decided by  statement 2 (OnlyApp) of inline policy push of user ci");
  expect(text).not.toContain("help");
});

test("what the authors of policies write moves no cursor and turns no text around", () => {
  const sid = "\u001b[2JAllow\u009b1A\u202eEverything\nAllowed";
  const text = explanationText({ ...denied, statement: { ...statement, sid } });
  expect(text).toContain("\\u001b[2JAllow\\u009b1A\\u202eEverything\\u000aAllowed");
  expect(text).not.toContain("\u001b");
});
