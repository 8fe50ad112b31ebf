import { DIMENSIONS, type Dimension } from "~/parts/usage";

/** The API groups by so many at once. */
export const DIMENSIONS_MAX = 3;
/** The filter that is one group alone, and what is looked at next within it. */
export const FILTERS: Record<Dimension, string> = {
  tenant: "tenant_id",
  user: "user_id",
  token: "token_id",
  model_asked: "model_asked",
  model_routed: "model_routed",
  model_billed: "model_billed",
  channel: "channel_id",
  vendor: "vendor",
  tag: "tag",
};
export const NEXT: Record<Dimension, Dimension> = {
  tenant: "model_asked",
  user: "token",
  token: "model_asked",
  model_asked: "tenant",
  model_routed: "channel",
  model_billed: "tenant",
  channel: "model_routed",
  vendor: "channel",
  tag: "model_asked",
};

/** What the URL says, without what is no dimension. */
export function dimensionsOf(by: string[] | undefined): Dimension[] {
  const known = (by ?? []).filter((each): each is Dimension => DIMENSIONS.includes(each as Dimension));
  return known.length ? [...new Set(known)].slice(0, DIMENSIONS_MAX) : ["tenant"];
}
