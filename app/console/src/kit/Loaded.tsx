import type { ReactNode } from "react";
import { Failure } from "./Failure";
import { Pending } from "./Pending";

type QueryLike<T> = { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };

/** What a query gave, its error with a way on, or a placeholder: `<Loaded query={q}>{(data) => ...}</Loaded>`. */
export function Loaded<T>(props: { query: QueryLike<T>; rows?: number; children: (data: T) => ReactNode }) {
  const { query } = props;
  if (query.data !== undefined) return <>{props.children(query.data)}</>;
  if (query.error) return <Failure problem={query.error} onRetry={() => void query.refetch()} />;
  return <Pending rows={props.rows} />;
}
