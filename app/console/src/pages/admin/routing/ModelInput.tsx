import { Autocomplete, type AutocompleteProps } from "@mantine/core";
import { useMemo } from "react";
import { publicModels, useChannels } from "./routing";

/** The name of a model, with those that channels serve to choose from. */
export function ModelInput(props: AutocompleteProps) {
  const channels = useChannels().data;
  const names = useMemo(() => publicModels(channels ?? [], [], []).map((each) => each.model), [channels]);
  return <Autocomplete data={names} limit={50} spellCheck={false} {...props} />;
}
