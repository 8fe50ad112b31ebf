import { useQuery } from "@tanstack/react-query";
import { api, data, queryClient, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";

export type Channel = Schema["ChannelView"];
export type Kind = Schema["ChannelTypeView"];
export type Health = Schema["HealthView"];
export type Strip = Schema["ChannelStrip"];

export const readChannel = (id: string): Promise<Channel> =>
  data(api.GET("/api/channels/{channel_id}", { params: { path: { channel_id: id } } }));

/** After a change: lists, strips and the channel itself are read again. */
export function channelsChanged(): void {
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/channels"] });
  void queryClient.invalidateQueries({ queryKey: ["get", "/api/channel-availability"] });
  void queryClient.invalidateQueries({ queryKey: ["channel"] });
}

export function useKinds(): {
  kinds: Kind[];
  wordsOf: (words: Schema["Words"]) => string;
  titleOf: (type: string) => string;
} {
  const { i18n } = useTranslation();
  const found = useQuery({
    queryKey: ["get", "/api/channel-types"],
    queryFn: () => data(api.GET("/api/channel-types")),
    staleTime: 3_600_000,
  });
  const kinds = found.data?.items ?? [];
  const wordsOf = (words: Schema["Words"]) => (i18n.language === "zh-CN" ? words.zh : words.en);
  return {
    kinds,
    wordsOf,
    titleOf: (type) => {
      const kind = kinds.find((each) => each.name === type);
      return kind ? wordsOf(kind.title) : type;
    },
  };
}

export const useStrips = () =>
  useQuery({
    queryKey: ["get", "/api/channel-availability"],
    queryFn: () => data(api.GET("/api/channel-availability")),
    refetchInterval: 60_000,
  });

/** The names of channel groups that there are. */
export function useChannelGroups(): string[] {
  const found = useQuery({
    queryKey: ["get", "/api/groups", "channel"],
    queryFn: () => data(api.GET("/api/groups", { params: { query: { side: "channel", limit: 500 } } })),
  });
  return (found.data?.items ?? []).map((each) => each.label);
}

/** Lines of "name = vendor's name", or null where one is something else. */
export function parseMap(text: string): Record<string, string> | null {
  const map: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    const [name, vendor, ...rest] = line.split("=").map((each) => each.trim());
    if (!name || !vendor || rest.length) return null;
    map[name] = vendor;
  }
  return map;
}

export const mapText = (map: Record<string, string>): string =>
  Object.entries(map)
    .map(([name, vendor]) => `${name} = ${vendor}`)
    .join("\n");

export const sum = (figures: readonly number[]): number => figures.reduce((total, each) => total + each, 0);
