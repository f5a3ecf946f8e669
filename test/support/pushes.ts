/** Pushes of right and of wrong content, and what came of them. */

/** What came of a push: `done`, or the error's name. */
export type Told = string;

export async function told(response: Promise<Response> | Response): Promise<Told> {
  const answer = await response;
  if (answer.ok) return "done";
  return ((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code ?? "";
}

export const toldByApi = (sent: Promise<unknown>): Promise<Told> =>
  sent.then(
    () => "done",
    ({ name }) => name,
  );

export interface Push {
  readonly repository: string;
  /** What the content is said to be. */
  readonly digest: string;
  /** The content, in three pieces. */
  readonly pieces: readonly [string, string, string];
  /** Lets the readers look. */
  readonly look: () => Promise<void>;
}

export interface Path {
  /** The routes and operations that it goes through. */
  readonly covers: readonly string[];
  push(push: Push): Promise<Told>;
  /** What it comes to when the digest is another one. */
  readonly refused: Told;
}

export function inPieces(content: string): readonly [string, string, string] {
  const third = Math.floor(content.length / 3);
  return [content.slice(0, third), content.slice(third, 2 * third), content.slice(2 * third)];
}

/** Contents that are not `right`. */
export const changes: Record<string, (right: string) => string> = {
  "one byte another": (right) => `${right.slice(0, -1)}#`,
  "a byte less": (right) => right.slice(0, -1),
  "a byte more": (right) => `${right}#`,
};
