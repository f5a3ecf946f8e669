import { expect, test } from "bun:test";
import { DescribeImagesResponse$, InvalidLayerPartException$, ListImageReferrersResponse$ } from "@aws-sdk/client-ecr";
import { DeleteOrganizationalUnit$ } from "@aws-sdk/client-organizations";
import { deviations } from "./schema-check.ts";

test("finds whatever an operation without an output answers", () => {
  const output = DeleteOrganizationalUnit$[5];
  expect(deviations(output, {})).toEqual([]);
  expect(deviations(output, { Id: "x" })).toEqual(["$.Id is not known"]);
});

test("finds what the published schema does not have", () => {
  const good = { imageDetails: [{ imageDigest: "d", imagePushedAt: 1.5, imageSizeInBytes: 1, imageTags: ["a"] }] };
  expect(deviations(DescribeImagesResponse$, good)).toEqual([]);
  const bad = {
    imageDetails: [{ imagePushedAt: "2026", imageSizeInBytes: 1.5, imageTags: [1], tags: [] }, 3],
    more: 1,
  };
  expect(deviations(DescribeImagesResponse$, bad)).toEqual([
    "$.more is not known",
    "$.imageDetails[0].tags is not known",
    "$.imageDetails[0].imageTags[0] is not a string",
    "$.imageDetails[0].imageSizeInBytes is not an integer",
    "$.imageDetails[0].imagePushedAt is not a number",
    "$.imageDetails[1] is not an object",
  ]);
  const referrer = { digest: "d", size: 1, annotations: { a: 1 } };
  expect(deviations(ListImageReferrersResponse$, { referrers: [referrer] })).toEqual([
    "$.referrers[0].mediaType is missing",
    "$.referrers[0].annotations.a is not a string",
  ]);
  expect(deviations(InvalidLayerPartException$, { message: "m", lastValidByteReceived: null })).toEqual([
    "$.lastValidByteReceived is not a number",
  ]);
});
