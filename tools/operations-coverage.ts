import { join } from "node:path";
import { operations } from "../src/aws/ecr/index.ts";
import { rows } from "../test/operations/rows.ts";
import { inputMembers, type Operation, sdkOperations } from "../test/support/model.ts";

/**
 * Writes docs/operations-coverage.md: every ECR operation that the installed SDK knows, whether it is there, and which
 * tests call it. `npm run docs:operations` runs this.
 */

export const coveragePath = "docs/operations-coverage.md";

/** An operation that more files than this call is in the table without their names: every other test makes a repository. */
const maxFiles = 4;

export interface TestFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

/** Which operations a file calls: by the SDK, or by what the AWS CLI and boto3 call them. Other services have some of the same names. */
export function callsIn({ path, text }: TestFile): ReadonlySet<Operation> {
  const names = path.endsWith(".py") ? found(text, /\becr\.([a-z]+(?:_[a-z]+)+)\(/g) : namesInTypeScript(text);
  const called = new Set(names.map(joined));
  return new Set(sdkOperations.filter((operation) => called.has(joined(operation))));
}

function namesInTypeScript(text: string): string[] {
  const [imported = ""] = found(text, /import (?:type )?\{([^}]*)\} from "@aws-sdk\/client-ecr"/g);
  const isImported = (name: string) => new RegExp(`\\b(?:${name}Command|paginate${name})\\b`).test(imported);
  return [
    ...found(text, /\b(?:new |paginate)([A-Z]\w+?)(?:Command)?\(/g).filter(isImported),
    ...found(text, /"ecr",\s*"([a-z]+(?:-[a-z]+)+)"/g),
  ];
}

function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

/** The same for `PutImage`, `put-image` and `put_image`. */
function joined(name: string): string {
  return name.replace(/[-_]/g, "").toLowerCase();
}

/** The document as it should be. */
export function coverage(files: readonly TestFile[]): string {
  const calls = files.map((file) => ({ path: file.path, operations: callsIn(file) }));
  const isClient = (path: string) => path.startsWith("test/clients/");
  const lines = sdkOperations.map((operation) => {
    const paths = calls.filter((file) => file.operations.has(operation)).map(({ path }) => path);
    const row = rows.get(operation);
    const cells = [
      operation,
      operations.has(operation) ? "yes" : "**no**",
      row ? String(Object.keys(row.bad).length + inputMembers(operation).required.length + 1) : "",
      list(paths.filter((path) => !isClient(path))),
      list(paths.filter(isClient).map((path) => path.replace("test/clients/", ""))),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return `${heading(sdkOperations.filter((name) => operations.has(name)).length)}${lines.join("\n")}\n`;
}

function list(paths: readonly string[]): string {
  return paths.length > maxFiles ? `more than ${maxFiles}` : paths.map((path) => `\`${path}\``).join(", ");
}

const heading = (there: number) => `# ECR's operations and their tests

${there} of the ${sdkOperations.length} operations that the AWS SDK knows are there. \`npm run docs:operations\` writes this page, and a test fails when
it is out of date, or when a newer SDK has an operation that is missing.

\`test/every-operation.test.ts\` calls each operation with good input and in so many bad ways as the third column says, and compares
each answer with the published model: members and their types, and errors, which must be among those that the model declares for the
operation. \`test/matrix\` tries each as every kind of principal. The last two columns are what else calls it: tests, and programs
that run real clients (\`test/clients\`).

| operation | there | bad inputs | tests | real clients |
| --- | --- | --- | --- | --- |
`;

/** All tests, and the programs that real clients are run by, but not what is made for every operation alike. */
export async function testFiles(root: string): Promise<TestFile[]> {
  const patterns = ["src/aws/**/*.test.ts", "test/*.test.ts", "test/*/*.test.ts", "test/clients/*.{ts,py}"];
  const paths = patterns.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: root })]);
  const texts = paths.sort().map(async (path) => ({ path, text: await Bun.file(join(root, path)).text() }));
  return Promise.all(texts);
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..");
  await Bun.write(join(root, coveragePath), coverage(await testFiles(root)));
  console.log(`${coveragePath} is written`);
}
