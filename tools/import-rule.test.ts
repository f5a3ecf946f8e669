// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are the text of programs
import { expect, test } from "bun:test";
import { rooms, violations } from "./import-rule.ts";
import { importsIn, linesWith, readSource } from "./source.ts";

const bad = (path: string, text: string) => violations(path, text).map((line) => line.split(": ")[0]);

test.each<[path: string, text: string, wrong: string | undefined]>([
  [
    "src/policy/decide.ts",
    'import { x } from "../domain/names.ts";',
    "src/policy/decide.ts:1 must not import src/domain/names.ts",
  ],
  ["src/policy/decide.ts", 'import { x } from "./json.ts";', undefined],
  [
    "src/domain/names.ts",
    'import { readFile } from "node:fs/promises";',
    "src/domain/names.ts:1 must not import node:fs/promises",
  ],
  ["src/domain/names.ts", 'import { createHash } from "node:crypto";', undefined],
  ["src/domain/names.ts", "const file = Bun.file(name);", "src/domain/names.ts:1 must not touch the outside"],
  ["src/domain/names.ts", "await fetch(url);", "src/domain/names.ts:1 must not touch the outside"],
  ["src/domain/names.ts", "await remote.fetch(url); // Bun.file, process.exit", undefined],
  ["src/domain/names.ts", "const text = 'Bun.file';", undefined],
  ["src/domain/names.ts", "const text = `a ${Bun.version} b`;", "src/domain/names.ts:1 must not touch the outside"],
  [
    "src/domain/registry/layers.ts",
    'import { tokens } from "../identity/tokens.ts";',
    "src/domain/registry/layers.ts:1 must not import src/domain/identity/tokens.ts",
  ],
  [
    "src/domain/identity/tokens.ts",
    'import type { Ports } from "../registry/ports.ts";',
    "src/domain/identity/tokens.ts:1 must not import src/domain/registry/ports.ts",
  ],
  [
    "src/domain/access.ts",
    'import { a } from "./identity/tokens.ts";\nimport { b } from "./registry/ports.ts";',
    undefined,
  ],
  [
    "src/domain/registry/layers.ts",
    'import { x } from "../../storage/keys.ts";',
    "src/domain/registry/layers.ts:1 must not import src/storage/keys.ts",
  ],
  [
    "src/oci/push.ts",
    'import { x } from "../aws/dispatch.ts";',
    "src/oci/push.ts:1 must not import src/aws/dispatch.ts",
  ],
  ["src/oci/push.ts", 'import { x } from "../server/send.ts";', "src/oci/push.ts:1 must not import src/server/send.ts"],
  ["src/oci/push.ts", 'import { z } from "zod";', "src/oci/push.ts:1 must not use the package zod"],
  [
    "src/workers/workers.ts",
    'import { startBerth } from "../app.ts";',
    "src/workers/workers.ts:1 must not import src/app.ts",
  ],
  ["src/aws/ecr/A.ts", 'import { x } from "../sts/B.ts";', "src/aws/ecr/A.ts:1 must not import src/aws/sts/B.ts"],
  [
    "src/aws/ecr/A.ts",
    'import { x } from "./shapes.ts";\nimport { y } from "../operation.ts";\nimport { z } from "zod";',
    undefined,
  ],
  ["src/aws/ecr/A.ts", 'import type { Tag } from "@aws-sdk/client-ecr";', undefined],
  [
    "src/aws/ecr/A.ts",
    'import { ECRClient } from "@aws-sdk/client-ecr";',
    "src/aws/ecr/A.ts:1 may use only types of @aws-sdk/client-ecr (import type)",
  ],
  [
    "src/aws/ecr/A.ts",
    'import { type Tag } from "@aws-sdk/client-ecr";',
    "src/aws/ecr/A.ts:1 may use only types of @aws-sdk/client-ecr (import type)",
  ],
  [
    "src/oci/push.ts",
    'import type { Tag } from "@aws-sdk/client-ecr";',
    "src/oci/push.ts:1 must not use the package @aws-sdk/client-ecr",
  ],
  [
    "src/storage/metadata/tags.ts",
    'import { sql } from "kysely";\nimport { Migrator } from "kysely/migration";\nimport { Database } from "bun:sqlite";',
    undefined,
  ],
  [
    "src/storage/metadata/tags.ts",
    'import { x } from "../../app.ts";',
    "src/storage/metadata/tags.ts:1 must not import src/app.ts",
  ],
  ["src/storage/keys.ts", "const home = process.env.HOME;", "src/storage/keys.ts:1 must not read the environment"],
  ["src/config.ts", "const home = process.env.HOME;", undefined],
  ["src/client-config.ts", "const home = process.env.HOME;", undefined],
  [
    "src/cli/api/credentials.ts",
    "const key = process.env.AWS_PROFILE;",
    "src/cli/api/credentials.ts:1 must not read the environment",
  ],
  [
    "src/cli/serve.ts",
    'import { x } from "@smithy/signature-v4";',
    "src/cli/serve.ts:1 must not use the package @smithy/signature-v4",
  ],
  ["src/server/listener.ts", 'import type { Log } from "./log.ts";', undefined],
  ["src/server/listener.ts", 'import pino from "pino";', "src/server/listener.ts:1 must not use the package pino"],
  [
    "src/server/listener.ts",
    'import type { Arrival } from "../domain/access.ts";',
    "src/server/listener.ts:1 must not import src/domain/access.ts",
  ],
  [
    "src/cli/serve.ts",
    'import { x } from "../storage/keys.ts";',
    "src/cli/serve.ts:1 must not import src/storage/keys.ts",
  ],
  ["src/new/thing.ts", "", "src/new/thing.ts"],
  ["src/oci/push.test.ts", 'import { x } from "../storage/keys.ts";', undefined],
])("%s with %j", (path, text, wrong) => {
  expect(bad(path, text)).toEqual(wrong === undefined ? [] : [wrong]);
});

test("a refusal says which line and why", () => {
  const text = '/* a\n comment */\nimport {\n  a,\n} from "../oci/index.ts";\n';
  expect(violations("src/policy/decide.ts", text)).toEqual([
    "src/policy/decide.ts:5 must not import src/oci/index.ts: a decision depends on its question and nothing else; some day this is a package of its own",
  ]);
});

test("every way to import is seen", () => {
  const text = `
import a from "a";
import type { B } from "b";
import "c";
export * from "d";
export type { E } from "e";
const f = await import("f");
type G = import("g").G;
const h = require("h");
// import i from "i";
const j = 'import j from "j"';
const k = \`\${"import"} from "k"\`;
const l = /from "l"/;
const half = 1 / 2; import m from "m"; // after a division
`;
  expect(importsIn(readSource(text)).map(({ from, typeOnly }) => (typeOnly ? `${from} type` : from))).toEqual([
    "a",
    "b type",
    "c",
    "d",
    "e type",
    "f",
    "g",
    "h",
    "m",
  ]);
});

test("code inside a template counts, the text around it does not", () => {
  const source = readSource("const a = `Bun. ${{ b: `${Bun.version} }` }.b} Bun.`;\nBun.gc();");
  expect(linesWith(source, /Bun\./)).toEqual([1, 2]);
});

test("every room says why", () => {
  expect(rooms.filter(({ because }) => because.length < 20)).toEqual([]);
});
