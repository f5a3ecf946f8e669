import type { LifecycleAnswer, LifecyclePlace } from "../../domain/registry/lifecycle-answers.ts";
import type { Paging } from "../paging.ts";

interface Listing<Answer> {
  readonly of: readonly unknown[];
  readonly nextToken: string | undefined;
  readonly limit: number | undefined;
  read(page: { readonly after?: LifecyclePlace; readonly limit: number }): Promise<Answer>;
}

type ItemOf<Answer> = Answer extends { readonly items: readonly (infer Item)[] } ? Item : never;

/** Pages of an answer of which each is planned by itself; what is said of the whole comes with every page. */
export function lifecycleLister(paging: Paging) {
  return async <Answer extends LifecycleAnswer<object>>({ of, nextToken, limit = 100, read }: Listing<Answer>) => {
    let answer: Answer | undefined;
    const page = await paging.page<ItemOf<Answer> & { readonly place: LifecyclePlace }, LifecyclePlace>({
      of,
      nextToken,
      limit,
      async read(after, limit) {
        answer = await read({ after, limit });
        return answer.items as never;
      },
      keyOf: ({ place }) => place,
    });
    return { ...page, answer: answer as Answer };
  };
}
